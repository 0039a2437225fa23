"""Everything that is shipped is listed, with a licence that is allowed."""

import json
import os
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.ports import free_address
from tests.test_packaging import ROOT, lock_file

SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "deploy" / "sbom.py"))
BILL: dict[str, Any] = json.loads((ROOT / "deploy" / "sbom.cdx.json").read_text())
LOCKED = lock_file("requirements.lock")


def test_the_bill_of_materials_lists_every_locked_package_and_no_other() -> None:
    listed = {part["name"]: part["version"] for part in BILL["components"]}

    assert listed == {name: line.version for name, line in LOCKED.items()}, "run make sbom"
    assert {f"pkg:pypi/{name}@{version}" for name, version in listed.items()} == {
        part["purl"] for part in BILL["components"]
    }


def test_the_bill_of_materials_is_what_the_tool_makes_of_the_lock() -> None:
    assert SCRIPT["bill_of_materials"](ROOT / "requirements.lock") == BILL, "run make sbom"


def test_the_bill_of_materials_obeys_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(BILL)) is None


def test_every_locked_package_has_a_licence_that_is_allowed() -> None:
    wrong = {
        name: licence
        for name in LOCKED
        if not SCRIPT["is_allowed"](licence := SCRIPT["licence_of"](name))
    }
    assert not wrong
    assert all(part["licenses"][0]["expression"] for part in BILL["components"])


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("(MIT OR Apache-2.0) AND ISC", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_one_licence_that_is_not_allowed_is_enough(expression: str, allowed: bool) -> None:
    assert SCRIPT["is_allowed"](expression) is allowed


def test_a_package_whose_licence_nobody_knows_is_not_allowed() -> None:
    assert not SCRIPT["is_allowed"](SCRIPT["licence_of"]("no-such-package"))


def test_the_wheel_carries_the_bill_of_materials(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        assert json.loads(archive.read(name)) == BILL


class Vulnerabilities:
    """A service that speaks OSV's protocol and knows what it is given, by package."""

    def __init__(self, known: dict[str, str]) -> None:
        self.asked: set[str] = set()
        self._known = known

    @contextmanager
    def serving(self) -> Generator[str]:
        """Its address for the block."""
        service = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(service.answer(asked["package"]["name"])).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        with HTTPServer(("127.0.0.1", 0), Answer) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/v1/query"
            finally:
                server.shutdown()
                thread.join()

    def answer(self, name: str) -> dict[str, Any]:
        self.asked.add(name)
        if name not in self._known:
            return {}
        package = {"name": name, "ecosystem": "PyPI"}
        return {"vulns": [{"id": self._known[name], "affected": [{"package": package}]}]}


def audit(address: str, cache: Path) -> subprocess.CompletedProcess[str]:
    service = ["--vulnerability-service=osv", f"--osv-url={address}", f"--cache-dir={cache}"]
    command = [sys.executable, str(ROOT / "deploy" / "audit.py"), *service]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_audit_asks_about_every_locked_package(tmp_path: Path) -> None:
    service = Vulnerabilities({})
    with service.serving() as address:
        done = audit(address, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No vulnerability is known in ")
    # Some lines of the lock are for other systems.
    assert service.asked <= set(LOCKED)
    assert {"asyncpg", "pydantic", "temporalio"} <= service.asked


def test_an_audit_fails_for_a_known_vulnerability_and_names_it(tmp_path: Path) -> None:
    with Vulnerabilities({"temporalio": "PYSEC-2026-1"}).serving() as address:
        done = audit(address, tmp_path)

    assert done.returncode == 1
    version = LOCKED["temporalio"].version
    assert done.stdout == f"temporalio {version}: PYSEC-2026-1, fixed in no version yet\n"


def test_an_audit_that_could_not_ask_says_so_and_does_not_pass(tmp_path: Path) -> None:
    done = audit(f"http://{free_address()}/v1/query", tmp_path)

    assert done.returncode == 2
    assert done.stderr.endswith("Unknown: the service could not be asked about any package.\n")


@pytest.mark.parametrize(("holes", "code"), [([], 2), ([{"id": "X", "fix_versions": ["2"]}], 1)])
def test_an_audit_of_a_part_does_not_pass(
    holes: list[Any], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: Any = {"name": "asyncpg", "version": "1", "vulns": holes}
    judge = runpy.run_path(str(ROOT / "deploy" / "audit.py"))["judge"]

    assert judge([asked, {"name": "redis", "skip_reason": "not found"}]) == code
    said = capsys.readouterr()
    assert said.err == "Unknown: the service could not be asked about redis.\n"
    assert said.out == "asyncpg 1: X, fixed in 2\n" * len(holes)
