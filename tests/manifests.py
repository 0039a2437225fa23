"""The manifests of deploy/kubernetes as kustomize renders them, and what must not be in them."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = ROOT / "deploy" / "kubernetes" / "overlays" / "production"

Manifest = dict[str, Any]

#: Where each kind keeps the template of its pods.
_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
#: What gives a pod rights on its node, or more than the restricted profile allows.
_FORBIDDEN = frozenset(
    {
        *("hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostPath", "hostPort"),
        *("hostProcess", "hostUsers", "privileged", "procMount", "seLinuxOptions", "sysctls"),
        *("add", "appArmorProfile", "initContainers", "ephemeralContainers"),
    }
)
#: A pod that has them can be taken from its node at any time, and comes up elsewhere.
_VOLUMES = frozenset({"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"})
_GIVES_RIGHTS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret"})


def render(overlay: Path = OVERLAY) -> list[Manifest]:
    """Every resource that `kubectl apply -k` would send."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", overlay], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def template_of(manifest: Manifest) -> Manifest | None:
    """The template of the pods that a resource makes."""
    part: Any = manifest
    for key in _TEMPLATES.get(manifest["kind"], ()):
        part = part[key]
    return None if part is manifest else part


def pods(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The template of every pod, by what its container is called."""
    found = [template for m in manifests if (template := template_of(m))]
    return {template["spec"]["containers"][0]["name"]: template for template in found}


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def findings(manifests: list[Manifest]) -> list[str]:
    """Everything that the policy forbids, one sentence each."""
    found = [f"{m['kind']}: gives rights or holds secrets" for m in _those_that_give(manifests)]
    for name, template in pods(manifests).items():
        spec = template["spec"]
        found += [f"{name}: {problem}" for problem in _of_pod(spec)]
        for container in spec["containers"]:
            found += [f"{name}: {problem}" for problem in _of_container(container)]
    found += _of_networks(of_kind(manifests, "NetworkPolicy"))
    found += _of_disruptions(manifests)
    return found


def _those_that_give(manifests: list[Manifest]) -> list[Manifest]:
    return [m for m in manifests if m["kind"] in _GIVES_RIGHTS]


def _of_pod(spec: Manifest) -> Iterator[str]:
    yield from (f"{key} is set" for key in sorted({key for key, _ in walk(spec)} & _FORBIDDEN))
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) < 10_000:
        yield "runs as root, or as a user that the node may know"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "is given a token for Kubernetes"
    if spec.get("serviceAccountName") != "casekeeper":
        yield "has another's account"
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= _VOLUMES:
            yield f"volume {volume['name']} is of a kind that is not allowed"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {volume['name']} may fill the node"


def _of_container(container: Manifest) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "can gain rights"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "can write to its image"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(context):
        yield "says otherwise than its pod who runs it"
    if "@sha256:" not in container["image"] or container.get("imagePullPolicy") != "Always":
        yield "the image is not one and the same"
    resources = container.get("resources", {})
    if any(set(resources.get(side, {})) != {"cpu", "memory"} for side in ("requests", "limits")):
        yield "may take all of the node"
    yield from _of_variables(container.get("env", []))


def _of_variables(variables: list[Manifest]) -> Iterator[str]:
    for variable in variables:
        if "value" in variable and variable["name"].endswith(("_URL", "_KEY", "_TOKEN")):
            yield f"{variable['name']} stands in the manifest"


def _of_networks(policies: list[Manifest]) -> Iterator[str]:
    closed: Manifest = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if closed not in [policy["spec"] for policy in policies]:
        yield "the network is open where no policy speaks of it"
    for policy in policies:
        spec, name = policy["spec"], policy["metadata"]["name"]
        for side, peer in (("egress", "to"), ("ingress", "from")):
            for rule in spec.get(side, []):
                if not rule.get(peer) or not rule.get("ports"):
                    yield f"{name}: a rule for anyone, or for any port"
                yield from _of_peers(name, rule.get(peer, []))


def _of_peers(name: str, peers: list[Manifest]) -> Iterator[str]:
    for peer in peers:
        block = peer.get("ipBlock", {})
        if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get("except", []):
            yield f"{name}: the metadata service of the cloud can be reached"
        if not block and not peer.get("namespaceSelector", {}).get("matchLabels"):
            yield f"{name}: pods of every namespace"


def _of_disruptions(manifests: list[Manifest]) -> Iterator[str]:
    covered = [m["spec"]["selector"] for m in of_kind(manifests, "PodDisruptionBudget")]
    for deployment in of_kind(manifests, "Deployment"):
        if deployment["spec"]["selector"] not in covered:
            yield f"{deployment['metadata']['name']}: all pods may be evicted at once"


def walk(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    inner: Iterable[Any] = ()
    if isinstance(part, dict):
        entries = cast("dict[str, Any]", part)
        yield from entries.items()
        inner = entries.values()
    elif isinstance(part, list):
        inner = cast("Iterable[Any]", part)
    for one in inner:
        yield from walk(one)
