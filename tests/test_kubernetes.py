"""The manifests for Kubernetes are valid, locked down, and fit what they run."""

import re
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from runtime.profile import unsafe_settings
from runtime.servers import find_servers
from runtime.settings import Settings, read_settings
from tests.manifests import ROOT, of_kind, pods, render, template_of, walk
from workers.main import TASK_QUEUE
from workers.versioning import DEPLOYMENT

#: Carries the schemas; imported so, as it has no types.
kubernetes_validate: Any = import_module("kubernetes_validate")

MANIFESTS = render()
PODS = pods(MANIFESTS)
(CONFIG,) = of_kind(MANIFESTS, "ConfigMap")
(WORKER,) = of_kind(MANIFESTS, "Deployment")
CRDS: dict[str, Any] = yaml.safe_load((ROOT / "tests/data/kubernetes-crds.yaml").read_text())
FILES = sorted((ROOT / "deploy" / "kubernetes").rglob("*.yaml"))

#: Secrets that people make by hand, with the keys that we read; docs/kubernetes.md lists them.
SECRETS = {
    "casekeeper": {"DATABASE_URL", "REDIS_URL"},
    "casekeeper-owner": {"OWNER_DATABASE_URL"},
    "casekeeper-keys": {"temporal-api-key", "payload-keys.json", "customer-keys.json"},
}
#: Read by temporalio.envconfig.
TEMPORALS = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_TLS"}


def settings_known() -> set[str]:
    return {
        str(field.validation_alias or f"CASEKEEPER_{name.upper()}")
        for name, field in Settings.model_fields.items()
    }


def every(part: Any, wanted: str) -> list[Any]:
    """Each value under that key, at any depth."""
    return [value for key, value in walk(part) if key == wanted]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_resource_obeys_its_schema(version: str) -> None:
    for manifest in MANIFESTS:
        kind = f"{manifest['apiVersion']}/{manifest['kind']}"
        if kind in CRDS:
            validator: Any = Draft202012Validator(CRDS[kind])
            validator.validate(manifest["spec"])
        else:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_file_is_part_of_what_is_rendered() -> None:
    used = {
        (file.parent / name).resolve()
        for file in FILES
        if file.name == "kustomization.yaml"
        for key in ("resources", "components", "configurations")
        for name in yaml.safe_load(file.read_text()).get(key, [])
    }
    folders = {path / "kustomization.yaml" for path in used if path.is_dir()}
    entries = {ROOT / "deploy/kubernetes/overlays/production/kustomization.yaml"}

    assert set(FILES) == {path for path in used if path.is_file()} | folders | entries


def test_all_of_it_is_in_one_namespace_that_admits_restricted_pods_only() -> None:
    (namespace,) = of_kind(MANIFESTS, "Namespace")
    labels = namespace["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    others = {m["metadata"]["namespace"] for m in MANIFESTS if m is not namespace}
    assert others == {namespace["metadata"]["name"]}


def test_what_a_resource_names_is_there() -> None:
    there = {(m["kind"], m["metadata"]["name"]) for m in MANIFESTS}

    for name in every(MANIFESTS, "configMapRef"):
        assert ("ConfigMap", name["name"]) in there
    for name in every(MANIFESTS, "serviceAccountName"):
        assert ("ServiceAccount", name) in there
    for claim in every(MANIFESTS, "persistentVolumeClaim"):
        assert ("PersistentVolumeClaim", claim["claimName"]) in there
    for target in every(MANIFESTS, "scaleTargetRef"):
        assert ("Deployment", target["name"]) in there
    for login in every(MANIFESTS, "authenticationRef"):
        assert ("TriggerAuthentication", login["name"]) in there
    for template in PODS.values():
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        mounts = template["spec"]["containers"][0]["volumeMounts"]
        assert volumes == {mount["name"] for mount in mounts}


def test_only_the_secrets_that_the_page_lists_are_read() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    keys = [*every(MANIFESTS, "secretKeyRef"), *chain(*every(MANIFESTS, "secretTargetRef"))]

    assert {one["name"] for one in every(MANIFESTS, "secretRef")} <= set(SECRETS)
    assert {one["secretName"] for one in every(MANIFESTS, "secret")} <= set(SECRETS)
    assert all(one["key"] in SECRETS[one["name"]] for one in keys)
    for secret, parts in SECRETS.items():
        assert f"`{secret}`" in text
        assert all(f"`{part}`" in text for part in parts)


def test_only_migrations_are_given_the_address_of_the_owner() -> None:
    assert [name for name, pod in PODS.items() if "casekeeper-owner" in str(pod)] == ["migrate"]


def test_every_variable_is_a_setting() -> None:
    variables = set(CONFIG["data"])
    for template in PODS.values():
        variables |= {v["name"] for v in template["spec"]["containers"][0].get("env", [])}

    assert variables - TEMPORALS <= settings_known()


def test_production_starts_with_these_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://app:x@db.example/casekeeper?sslmode=verify-full",
        "REDIS_URL": "rediss://:x@redis.example:6379/0",
    }
    for name, value in {**CONFIG["data"], **secrets}.items():
        monkeypatch.setenv(name, value.replace("/etc/casekeeper/keys", str(tmp_path)))
    for key in SECRETS["casekeeper-keys"]:
        (tmp_path / key).write_text("{}")

    settings = read_settings()
    assert settings.profile == "production"
    assert unsafe_settings(settings, find_servers(settings)) == []


def test_all_keys_are_files_of_one_secret_that_only_the_pods_user_reads() -> None:
    folder = "/etc/casekeeper/keys"
    named = {value for value in CONFIG["data"].values() if value.startswith(folder)}
    assert named == {f"{folder}/{key}" for key in SECRETS["casekeeper-keys"]}

    for name in ("worker", "migrate", "current"):
        spec = PODS[name]["spec"]
        (keys,) = (volume for volume in spec["volumes"] if volume["name"] == "keys")
        assert keys["secret"] == {"secretName": "casekeeper-keys", "defaultMode": 0o440}
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]
        (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "keys")
        assert mount == {"name": "keys", "mountPath": folder, "readOnly": True}


def test_a_release_makes_its_build_the_current_one_once() -> None:
    (job,) = (
        one
        for one in of_kind(MANIFESTS, "Job")
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == "current"
    )
    (container,) = PODS["current"]["spec"]["containers"]

    assert container["args"] == ["deployment", "current"]
    # The build is that of the settings, which are those of its workers.
    worker = PODS["worker"]["spec"]["containers"][0]
    assert container["envFrom"] == worker["envFrom"][:1] == every(container, "envFrom")[0]
    # Were it deleted once done, the next `apply` would undo going back.
    assert "ttlSecondsAfterFinished" not in job["spec"]


def test_a_pod_is_given_longer_to_stop_than_its_worker_takes() -> None:
    grace = PODS["worker"]["spec"]["terminationGracePeriodSeconds"]

    # The export of the heads and the connections' ends take up to ten seconds more.
    assert grace >= int(CONFIG["data"]["CASEKEEPER_GRACE_S"]) + 10


def test_probes_and_scrapes_go_where_the_worker_listens() -> None:
    container = PODS["worker"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (monitor,) = of_kind(MANIFESTS, "PodMonitor")

    assert CONFIG["data"]["CASEKEEPER_HEALTH_ADDRESS"] == f"0.0.0.0:{ports['health']}"
    assert CONFIG["data"]["CASEKEEPER_METRICS_ADDRESS"] == f"0.0.0.0:{ports['metrics']}"
    for probe, path in {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}.items():
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "health"}
    assert [end["port"] for end in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]
    pod_labels = PODS["worker"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod_labels.items()


def test_the_scaler_looks_at_the_queue_of_this_build_and_alone_sets_the_number() -> None:
    (scaled,) = of_kind(MANIFESTS, "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    metadata = trigger["metadata"]

    assert metadata["taskQueue"] == TASK_QUEUE
    assert metadata["workerDeploymentName"] == DEPLOYMENT
    assert {v for k, v in metadata.items() if k.endswith("FromEnv")} <= set(CONFIG["data"])
    assert "replicas" not in WORKER["spec"]
    (budget,) = of_kind(MANIFESTS, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] < scaled["spec"]["minReplicaCount"]


def test_a_build_has_names_and_selectors_of_its_own() -> None:
    build = CONFIG["data"]["CASEKEEPER_BUILD_ID"]
    selector = WORKER["spec"]["selector"]["matchLabels"]

    assert selector["app.kubernetes.io/version"] == build
    for kind in ("Deployment", "Job", "PodDisruptionBudget", "ScaledObject"):
        for one in of_kind(MANIFESTS, kind):
            assert one["metadata"]["name"].endswith("-" + re.sub(r"[^a-z0-9]", "-", build))


def test_the_pods_run_our_commands_as_the_user_of_the_image() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, flags=re.MULTILINE)
    group: Any = typer.main.get_command(import_module("starters.cli").app)

    assert user is not None
    for template in filter(None, map(template_of, MANIFESTS)):
        context = template["spec"]["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2]))
        assert template["spec"]["containers"][0]["args"][0] in group.commands
