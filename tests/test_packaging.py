"""What is installed is what is pinned, and what is shipped is what lies in the repository."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib import metadata, util
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
NOT_SHIPPED = {"benchmarks", "tests"}
# They come with a virtual environment, whoever made it, and are no dependency of ours.
INSTALLERS = {"pip", "setuptools", "uv", "wheel"}


class Locked(NamedTuple):
    requirement: Requirement
    version: str
    hashes: list[str]


def pins(key: str) -> dict[str, str]:
    requirements = [Requirement(line) for line in PROJECT["tool"]["uv"][key]]
    return {canonicalize_name(r.name): exact_version(r) for r in requirements}


def exact_version(requirement: Requirement) -> str:
    (clause,) = requirement.specifier
    assert clause.operator == "==", f"{requirement} is not pinned to one version"
    return clause.version


def lock_file(name: str) -> dict[str, Locked]:
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    found: dict[str, Locked] = {}
    for line in lines:
        stated, *hashes = re.split(r"\s+--hash=", line.strip())
        requirement = Requirement(stated)
        locked = Locked(requirement, exact_version(requirement), hashes)
        assert canonicalize_name(requirement.name) not in found, f"{stated} is there twice"
        found[canonicalize_name(requirement.name)] = locked
    return found


def closure(stated: Iterable[str]) -> set[str]:
    """Everything that these requirements bring in on this machine, by what is installed."""
    waiting = [Requirement(line) for line in stated]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *sorted(wanted.extras)):
            name = canonicalize_name(wanted.name)
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            needs = [Requirement(line) for line in metadata.requires(name) or []]
            waiting += [n for n in needs if n.marker is None or n.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def files_of(room: str) -> set[str]:
    paths = (ROOT / room).rglob("*")
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_installed_package_has_the_version_that_is_pinned() -> None:
    installed = {canonicalize_name(d.name): d.version for d in metadata.distributions()}
    expected = pins("constraint-dependencies")
    strangers = INSTALLERS | {canonicalize_name(PROJECT["project"]["name"])}

    wrong = {
        name: f"{version} is installed, {expected.get(name, 'nothing')} is pinned: make lock"
        for name, version in installed.items()
        if name not in strangers and version != expected.get(name)
    }
    assert not wrong


def test_the_lock_file_holds_what_the_project_runs_on_and_no_more() -> None:
    locked = lock_file("requirements.lock")
    needed_here = {
        name
        for name, line in locked.items()
        if line.requirement.marker is None or line.requirement.marker.evaluate()
    }
    extras = PROJECT["project"]["optional-dependencies"].values()
    assert closure([*PROJECT["project"]["dependencies"], *chain(*extras)]) == needed_here


def test_the_build_lock_holds_what_builds_the_wheel_and_no_more() -> None:
    locked = lock_file("deploy/build.lock")

    assert closure(PROJECT["build-system"]["requires"]) == set(locked)
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]
    assert {n: line.version for n, line in locked.items()} == pins("build-constraint-dependencies")


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/build.lock"])
def test_the_lock_files_and_the_pins_name_the_same_versions(name: str) -> None:
    expected = pins("constraint-dependencies")

    for package, line in lock_file(name).items():
        assert expected.get(package) == line.version, f"{package}: run make lock"


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/build.lock"])
def test_every_locked_package_has_its_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()

    for package, line in lock_file(name).items():
        assert line.hashes, f"{package} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in line.hashes)
    assert not re.search(r"[/@#]|https?:|--(index|extra|find)", text)


def test_the_lock_of_uv_stays_out_of_git() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")

    tracked = subprocess.run(
        [git, "ls-files", "--", "uv.lock"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not tracked.stdout
    subprocess.run([git, "check-ignore", "--quiet", "uv.lock"], cwd=ROOT, check=True)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_imported_from_this_repository(room: str) -> None:
    spec = util.find_spec(room)

    assert spec is not None
    assert spec.origin == str(ROOT / room / "__init__.py")


def test_the_wheel_lists_every_room() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert set(ROOMS) == folders - NOT_SHIPPED


def test_the_import_contracts_know_every_room() -> None:
    contracts = PROJECT["tool"].get("importlinter")
    if contracts is None:
        pytest.skip("pyproject.toml has no [tool.importlinter] yet")

    assert set(contracts["root_packages"]) - NOT_SHIPPED == set(ROOMS)


def test_the_wheel_holds_every_file_of_the_rooms_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    papers = {name for name in names if ".dist-info/" in name}
    assert set(names) - papers == set[str]().union(*map(files_of, ROOMS))
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in papers}


def test_ci_runs_what_make_check_runs() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make on this machine")

    asked = subprocess.run(
        [make, "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ours = [line for line in asked.stdout.splitlines() if line.startswith("uv run ")]
    script = (ROOT / ".ci" / "run").read_text()
    assert ours == [line for line in script.splitlines() if line.startswith("uv run ")]
