"""A hundred cases while their payment provider fails in every way, and their worker is killed."""

import asyncio
import dataclasses
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from cases.effects import EffectState
from cases.ids import MAIN
from gateways.sandbox.clock import advance
from gateways.sandbox.payments import SandboxPayments
from runtime.servers import Servers
from starters.session import CaseHandle, Session
from tests.conftest import SmallWorld
from tests.reconciliation.support import Books
from tests.workflows.support import BILLING

CASES = 100
WITHIN_S = 60
#: In turn; a stored 500 is answered again and again, so that its case goes on trying.
SCRIPTS = ["drop", "hang", "500", "503", "429", "pending", "drop drop", "hang_before", "409", "ok"]
_DYING = Path(__file__).parents[1] / "e2e" / "dying_worker.py"


async def _charged_twice(session: Session, number: str, script: list[str]) -> SmallWorld:
    world = SmallWorld(session, number)
    twins = await world.twins()
    await session.stores.sandbox.execute(
        "UPDATE sandbox.charges SET script = $2 WHERE id = ANY($1)", twins, script
    )
    return world


async def _a_worker_dies(servers: Servers) -> None:
    """It is killed by SIGKILL right after its first refund was made."""
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": servers.temporal_address,
        "DATABASE_URL": servers.database_url,
        "SANDBOX_DATABASE_URL": servers.sandbox_database_url,
        "REDIS_URL": servers.redis_url,
        "CASEKEEPER_CUSTOMER_KEYS": str(servers.customer_keys),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    dying = await asyncio.create_subprocess_exec(
        sys.executable, str(_DYING), "after", env=environment
    )
    async with asyncio.timeout(60):
        assert await dying.wait() == -signal.SIGKILL


@pytest.mark.timeout(280)
async def test_after_a_hundred_cases_with_faults_both_sides_agree_without_a_person(
    books: Books, number: str, servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    session = books.session
    worlds: dict[str, SmallWorld] = {}
    handles: dict[str, CaseHandle] = {}
    for place in range(CASES):
        name = f"{number}x{place}"
        worlds[name] = await _charged_twice(session, name, SCRIPTS[place % len(SCRIPTS)].split())
        handles[name] = await worlds[name].start(BILLING)
    await _a_worker_dies(servers)
    impatient = SandboxPayments(session.stores.sandbox, deadline_s=1.0)
    retried_for_long = {name for name in handles if int(name.split("x")[1]) % 10 == 2}
    async with books.run_worker(gateways=dataclasses.replace(books.gateways, payments=impatient)):
        async with asyncio.timeout(200):
            await asyncio.gather(*(handles[n].result() for n in set(handles) - retried_for_long))
        began = time.monotonic()
        await advance(session.stores.sandbox, timedelta(hours=2))
        await books.reconcile(2)
        report = await books.reconcile(2)
        took = time.monotonic() - began
        for name in retried_for_long:
            await handles[name].terminate("the test ends")

    with capsys.disabled():
        print(f"\nreconciled {CASES} cases with faults in {took:.1f} s")  # noqa: T201  for people
    assert report.compared
    assert report.compared.differences == ()
    assert report.compared.theirs == report.compared.ours == CASES - len(retried_for_long)
    assert not report.needs_person
    assert await session.stores.tasks.waiting() == []
    assert took < WITHIN_S
    for name, world in worlds.items():
        made = await session.stores.ledger.of_case(f"case_{name}", MAIN)
        [refund] = [effect for effect in made if effect.kind == "refund"]
        if name in retried_for_long:
            assert refund.state is EffectState.SENDING
            assert await world.refunds() == []
        else:
            assert refund.state is EffectState.SUCCEEDED, name
            assert len(await world.refunds()) == 1
            assert (await world.state()).status == "answered"
