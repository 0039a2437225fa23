"""The files that deploy Casekeeper are valid, pinned, locked down and name commands that exist."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import DEVNULL
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from runtime.small_http import Request, Response, serve
from tests.test_packaging import ROOMS

ROOT = Path(__file__).resolve().parent.parent
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = {name for name, s in SERVICES.items() if s.get("restart") == "unless-stopped"}
OURS = {name for name, service in SERVICES.items() if "build" in service}
KEYS = "casekeeper-keys:/etc/casekeeper/keys"
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\.\}")


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> dict[str, str]:
    instructions = dockerfile()
    start = max(i for i, (word, _) in enumerate(instructions) if word == "FROM")
    return dict(instructions[start:])


def test_the_compose_file_obeys_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text())

    Draft202012Validator.check_schema(schema)
    validator: Any = Draft202012Validator(schema)
    validator.validate(COMPOSE)


def test_every_image_is_pinned_to_one_version() -> None:
    for service in SERVICES.values():
        assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)?$", service["image"])
        assert "auto-setup" not in service["image"]


def test_the_tools_of_temporal_have_the_version_of_the_server() -> None:
    images = {service["image"] for service in SERVICES.values()}
    versions = {
        image.rpartition(":")[2]
        for image in images
        if image.startswith(("temporalio/server:", "temporalio/admin-tools:"))
    }
    assert len(versions) == 1


def test_the_build_of_our_services_is_the_tag_of_their_image() -> None:
    for name in OURS:
        tag = SERVICES[name]["image"].rpartition(":")[2]
        assert SERVICES[name]["environment"]["CASEKEEPER_BUILD_ID"] == tag


def test_what_is_started_makes_its_build_the_current_one_once_a_worker_runs() -> None:
    service = SERVICES["deployment"]

    assert service["command"] == ["deployment", "current"]
    assert service["depends_on"] == {"worker": {"condition": "service_healthy"}}


def test_every_service_that_stays_up_has_a_health_check() -> None:
    assert "worker" in LONG_RUNNING
    for name in LONG_RUNNING:
        assert SERVICES[name]["healthcheck"]["test"]


def test_every_service_waits_until_what_it_needs_is_ready() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            ready = "healthy" if needed in LONG_RUNNING else "completed_successfully"
            assert how == {"condition": f"service_{ready}"}


def test_only_this_machine_can_reach_the_published_ports() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_can_gain_rights(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]
    assert not SERVICES[name].get("privileged", False)


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_own_services_cannot_write_to_their_image(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert "cap_add" not in SERVICES[name]


def test_a_worker_never_holds_the_token_of_an_approver() -> None:
    assert SERVICES["worker"]["volumes"] == [
        "casekeeper-audit:/var/lib/casekeeper/audit",
        f"{KEYS}:ro",
    ]


def test_only_who_makes_and_rotates_keys_can_write_them() -> None:
    assert {name for name in OURS if KEYS in SERVICES[name]["volumes"]} == {"keys", "cli"}
    assert {name for name in OURS if f"{KEYS}:ro" in SERVICES[name]["volumes"]} == OURS - {
        "keys",
        "cli",
    }
    for name in OURS:
        for setting in ("CASEKEEPER_PAYLOAD_KEYS", "CASEKEEPER_CUSTOMER_KEYS"):
            assert SERVICES[name]["environment"][setting].startswith("/etc/casekeeper/keys/")
    # A new volume takes its owner from the image.
    assert "/etc/casekeeper/keys" in last_stage()["RUN"]


def test_keys_are_made_once(tmp_path: Path) -> None:
    script = SERVICES["keys"]["command"][0].replace("$$", "$")
    files = {"CASEKEEPER_PAYLOAD_KEYS": "payload.json", "CASEKEEPER_CUSTOMER_KEYS": "customer.json"}
    paths = {setting: tmp_path / name for setting, name in files.items()}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **{setting: str(path) for setting, path in paths.items()},
    }
    kept: set[bytes] = set()
    for _ in range(2):
        subprocess.run(["sh", "-euc", script], env=environment, cwd=tmp_path, check=True)
        kept.add(b"".join(path.read_bytes() for path in paths.values()))

    assert len(kept) == 1


def test_the_workers_health_is_what_it_says_itself_and_its_metrics_are_for_its_network() -> None:
    environment = SERVICES["worker"]["environment"]
    *_, asks = SERVICES["worker"]["healthcheck"]["test"]

    assert f"http://{environment['CASEKEEPER_HEALTH_ADDRESS']}/readyz" in asks
    assert environment["CASEKEEPER_HEALTH_ADDRESS"].startswith("127.0.0.1:")
    assert environment["CASEKEEPER_METRICS_ADDRESS"].startswith("0.0.0.0:")
    assert environment["CASEKEEPER_LISTENING"] == "acknowledged"
    assert "ports" not in SERVICES["worker"]


@pytest.mark.parametrize("status", [200, 503])
async def test_the_workers_health_check_fails_where_it_is_not_ready(status: int) -> None:
    async def answer(_: Request) -> Response:
        return Response(HTTPStatus(status))

    async with await serve(answer, "127.0.0.1", 0, body_limit=0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        _, _, *rest = SERVICES["worker"]["healthcheck"]["test"]
        script = rest[-1].replace(
            SERVICES["worker"]["environment"]["CASEKEEPER_HEALTH_ADDRESS"], address
        )
        asked = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stderr=DEVNULL)
        assert (await asked.wait() == 0) is (status == 200)


def test_a_worker_is_given_longer_to_stop_than_it_takes() -> None:
    worker = SERVICES["worker"]

    grace = int(worker["environment"]["CASEKEEPER_GRACE_S"])
    assert int(worker["stop_grace_period"].removesuffix("s")) >= grace + 10


def test_only_migrations_run_as_the_owner_of_the_tables() -> None:
    who = [name for name, one in SERVICES.items() if "OWNER_DATABASE_URL" in one["environment"]]

    assert who == ["migrate"]


def test_no_password_stands_in_the_compose_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|PWD", name):
                assert REQUIRED.fullmatch(value), f"{name} has a default"
            if name.endswith("_URL"):
                assert re.search(r"://\w*:\$\{\w+:\?[^}]+\.\}@", value), f"{name} has a default"


def test_the_example_of_the_environment_asks_for_every_password_and_holds_none() -> None:
    lines = (ROOT / "deploy/env.example").read_text().splitlines()
    asked = [line for line in lines if line and not line.startswith("#")]

    assert set(asked) == {f"{name}=" for name in REQUIRED.findall(COMPOSE_TEXT)}


def test_every_file_that_compose_mounts_is_in_the_repository() -> None:
    mounts = [str(m) for service in SERVICES.values() for m in service.get("volumes", [])]
    named = {mount.partition(":")[0] for mount in mounts}

    files = {name for name in named if name.startswith(".")}
    assert all((ROOT / name).is_file() for name in files)
    assert named - files == set(COMPOSE["volumes"])


def test_every_command_that_a_container_runs_is_one_of_ours() -> None:
    stage = last_stage()
    health = re.search(r"CMD (\[.+\])$", stage["HEALTHCHECK"])
    assert health is not None
    run = [[*json.loads(stage["ENTRYPOINT"]), *json.loads(stage["CMD"])], json.loads(health[1])]
    run += [["casekeeper", *SERVICES[name]["command"]] for name in OURS - {"keys"}]
    script = SERVICES["keys"]["command"][0]
    run += [line.partition("|| ")[2].split() for line in script.splitlines()]

    group: Any = typer.main.get_command(import_module("starters.cli").app)
    assert {program for program, *_ in run} == {"casekeeper"}
    assert {command for _, command, *_ in run} <= set(group.commands)


def test_the_image_starts_from_one_pinned_base() -> None:
    bases = {rest.split()[0] for word, rest in dockerfile() if word == "FROM"}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", bases.pop())


def test_the_image_installs_nothing_without_its_hash() -> None:
    commands = [rest for word, rest in dockerfile() if word == "RUN"]
    installs = re.findall(r"pip (?:install|wheel)[^&]*", " && ".join(commands))

    assert installs
    for command in installs:
        assert "--require-hashes" in command or "--no-deps" in command
    assert "ADD" not in {word for word, _ in dockerfile()}


def test_the_image_runs_as_an_ordinary_user() -> None:
    user, _, group = last_stage()["USER"].partition(":")

    assert int(user) > 0
    assert int(group) > 0


def test_the_image_gets_what_the_wheel_is_made_of_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    papers = {"LICENSE", "NOTICE", "README.md", "pyproject.toml"}

    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    locks = {"requirements.lock", "deploy/build.lock", "deploy/sbom.cdx.json"}
    assert let_in == {*ROOMS, *papers, *locks}


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint has no build for this machine")

    found = subprocess.run(
        [hadolint, str(ROOT / "deploy/Dockerfile")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout
