"""A thousand cases wait for a person while their worker is killed; each is paid once."""

import asyncio
import signal
import subprocess
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cases.approvals import Verdict
from gateways.sandbox.world import World, load
from starters.approve import decide
from starters.session import Session
from starters.start import NewCase, start_case
from tests.e2e.shell import PROGRAMS, environment
from tests.once.invariants import Tally, tally
from tests.workflows.support import BILLING, eventually

CASES = 1000
AT_A_TIME = 50
#: How many of the cases the worker may keep in memory.
CACHED = 50
#: About twice what it takes with ten cases.
MOST_MEGABYTES = 300

_ASKED = "SELECT count(*) FROM approvals WHERE state = 'pending' AND case_id = ANY($1)"


@contextmanager
def _worker(home: Path, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """`casekeeper worker` as people run it, in a process of its own."""
    given = environment({"CASEKEEPER_HOME": str(home), "CASEKEEPER_CACHED_CASES": str(CACHED)})
    with log.open("wb") as out:
        command = [str(PROGRAMS / "casekeeper"), "worker"]
        popen = subprocess.Popen(command, env=given, stdout=out, stderr=out)
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()


async def _load(session: Session, names: list[str]) -> None:
    first = datetime.now(UTC) - timedelta(hours=6)
    world: dict[str, Any] = {
        "customers": [
            {"id": f"cus_{name}", "email": f"{name}@example.com", "name": "Sam"} for name in names
        ],
        "charges": [
            {
                "id": f"ch_{name}_{twin}",
                "customer_id": f"cus_{name}",
                "amount_minor": 120_000,
                "currency": "USD",
                "merchant": "Northwind Studio",
                "created_at": (first + timedelta(minutes=twin)).isoformat(),
            }
            for name in names
            for twin in (1, 2)
        ],
    }
    await load(session.stores.sandbox, World.model_validate(world))


async def _each(names: Iterable[str], what: Callable[[str], Awaitable[Any]]) -> None:
    """For each name, some at a time."""
    free = asyncio.Semaphore(AT_A_TIME)

    async def one(name: str) -> None:
        async with free:
            await what(name)

    await asyncio.gather(*(one(name) for name in names))


async def _asked(session: Session, ids: list[str]) -> None:
    """Wait until each case has asked a person."""

    async def all_of_them() -> bool:
        await asyncio.sleep(0.5)
        return bool(await session.stores.pool.fetchval(_ASKED, ids) == len(ids))

    await eventually(all_of_them, within=600)


def _megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


@pytest.mark.timeout(1500)
async def test_a_thousand_cases_that_wait_while_their_worker_is_killed_are_each_paid_once(
    session: Session, number: str, home: Path, tmp_path: Path
) -> None:
    names = [f"{number}-{place}" for place in range(CASES)]
    ids = [f"case_{name}" for name in names]
    await _load(session, names)

    async def start(name: str) -> None:
        await start_case(session, NewCase.check(f"cus_{name}", BILLING, f"case_{name}"))

    async def parked(name: str) -> None:
        async def holds_no_slot() -> bool:
            run = (await session.handle(f"case_{name}").describe()).raw_description
            return not run.pending_activities

        await eventually(holds_no_slot)

    async def approve(name: str) -> None:
        await decide(session, f"case_{name}", Verdict.APPROVED, by="lead")

    async def ended(name: str) -> None:
        assert (await session.handle(f"case_{name}").result()).status == "answered"

    with _worker(home, tmp_path / "first.log") as worker:
        await _each(names, start)
        await _asked(session, ids)
        await _each(names, parked)
        assert _megabytes(worker.pid) < MOST_MEGABYTES
        worker.send_signal(signal.SIGKILL)
        assert await asyncio.to_thread(worker.wait, 30) == -signal.SIGKILL

    with _worker(home, tmp_path / "second.log") as worker:
        await _each(names, approve)
        await _each(names, ended)
        assert _megabytes(worker.pid) < MOST_MEGABYTES
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 60) == 0

    customers = [f"cus_{name}" for name in names]
    assert await tally(session.stores, customers) == Tally(refunds=CASES, resets=0, answers=CASES)
