"""The clock of a worker is an hour wrong: its cases end as they would by the right time."""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases.approvals import Verdict
from tests.conftest import SmallWorld
from tests.e2e.shell import PROGRAMS, ROOT, environment
from tests.faults.checked import checked_tally
from tests.faults.servers.conftest import some_of
from tests.faults.servers.own import OwnServers, session_of
from tests.once.invariants import Tally
from tests.once.scenes import PATIENCE_S, waiting_for_a_person
from tests.workflows.support import BOTH, decided, eventually

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("cc") is None,
        reason="the wrong clock is a library that must be compiled, for Linux",
    ),
    pytest.mark.timeout(240),
]

_SOURCE = Path(__file__).with_name("skewed_clock.c")
_SMALL, _BIG = 4, 2


@pytest.fixture(scope="module")
def wrong_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that a program must be started with."""
    library = tmp_path_factory.mktemp("clock") / "skewed_clock.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def _is_wrong_by(variables: dict[str, str]) -> float:
    command = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(command, env=variables, capture_output=True, check=True).stdout
    return float(told) - time.time()


@contextmanager
def _worker(variables: dict[str, str], log: Path) -> Generator[None]:
    command = [str(PROGRAMS / "casekeeper"), "worker"]
    with log.open("wb") as out:
        popen = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=out, stderr=out)
    try:
        yield
    finally:
        popen.kill()
        popen.wait()


@pytest.mark.parametrize("seconds", some_of(("3600", "-3600"), "-3600"))
async def test_a_worker_whose_clock_is_an_hour_wrong_ends_its_cases_all_the_same(
    seconds: str, own: OwnServers, wrong_clock: Path, number: str, tmp_path: Path
) -> None:
    variables = environment(
        {
            "CASEKEEPER_HOME": str(own.settings.home),
            "LD_PRELOAD": str(wrong_clock),
            "SKEW_SECONDS": seconds,
        }
    )
    assert abs(_is_wrong_by(variables) - float(seconds)) < 60
    async with session_of(own.direct, own.settings, connections=10) as session:
        worlds = [SmallWorld(session, f"{number}-{place}") for place in range(_SMALL + _BIG)]
        for place, world in enumerate(worlds):
            await world.twins(4999 if place < _SMALL else 120_000)
        log = tmp_path / "worker.log"

        async def polls() -> bool:
            return "worker is polling" in log.read_text()

        with _worker(variables, log):
            await eventually(polls, within=PATIENCE_S)
            handles = [await world.start(BOTH) for world in worlds]
            for world, handle in zip(worlds[_SMALL:], handles[_SMALL:], strict=True):
                await waiting_for_a_person(handle)
                await decided(world, Verdict.APPROVED)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*(handle.result() for handle in handles))

        every = len(worlds)
        assert await checked_tally(worlds) == Tally(refunds=every, resets=every, answers=every)
