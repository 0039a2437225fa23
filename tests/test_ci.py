"""What CI runs, with other programs in the place of those that it calls."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_packaging import ROOT


class Machine:
    """A folder that is the whole PATH; its programs leave a line each time they are called."""

    def __init__(self, folder: Path) -> None:
        self._programs = folder / "bin"
        self._programs.mkdir()
        self._calls = folder / "calls"
        for name in ("bash", "dirname", "timeout"):
            (self._programs / name).symlink_to(shutil.which(name) or name)
        self.add("uv")
        self.add("id", "echo 0")

    def add(self, name: str, script: str = "") -> None:
        program = self._programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\n{script}\n')
        program.chmod(0o755)

    def run_ci(self) -> tuple[int, list[str]]:
        """The exit code and what was called."""
        run = [self._programs / "bash", ROOT / ".ci" / "run"]
        code = subprocess.run(
            run, env={"PATH": str(self._programs)}, capture_output=True, check=False
        ).returncode
        return code, self._calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


_BROWSER = "apt-get install --yes --no-install-recommends chromium"


@pytest.mark.parametrize("installs", [True, False])
def test_a_browser_is_installed_where_there_is_none_and_missing_it_is_no_failure(
    machine: Machine, installs: bool
) -> None:
    machine.add("apt-get", "" if installs else '[ "$1" = update ] || exit 100')

    code, calls = machine.run_ci()
    assert code == 0
    assert _BROWSER in calls
    assert calls[-1] == "uv run pytest"


def test_a_browser_that_is_there_is_taken(machine: Machine) -> None:
    machine.add("apt-get")
    machine.add("chromium")

    assert not [call for call in machine.run_ci()[1] if call.startswith("apt-get")]


def test_only_root_installs_a_browser(machine: Machine) -> None:
    machine.add("apt-get")
    machine.add("id", "echo 1000")

    assert not [call for call in machine.run_ci()[1] if call.startswith("apt-get")]


@pytest.mark.parametrize(("audit", "code"), [(0, 0), (1, 1), (2, 0)])
def test_a_known_vulnerability_fails_and_a_service_that_is_away_does_not(
    machine: Machine, audit: int, code: int
) -> None:
    machine.add("uv", f'[ "$2" != deploy/audit.py ] || exit {audit}')

    assert machine.run_ci()[0] == code


def test_whatever_else_fails_fails_all(machine: Machine) -> None:
    machine.add("uv", '[ "$2" != mypy ] || exit 2')

    assert machine.run_ci()[0] == 2
