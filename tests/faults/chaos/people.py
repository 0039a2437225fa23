"""Who opens cases, approves them and waits for their end while servers come and go."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.service import RPCError

from cases.approvals import Verdict
from cases.errors import CaseAlreadyExists, CaseError
from gateways.sandbox.world import World, load
from starters.approve import decide
from starters.session import Session
from starters.start import NewCase, start_case
from stores.postgres import POSTGRES_FAILED
from tests.faults.chaos.outcome import ended_of
from tests.faults.chaos.plan import PlannedCase

#: How long cases may take to end once the last fault is over, in seconds.
PATIENCE_S = 180.0
_TEXT = "I was charged twice, and I still can't log in."
#: What a client of ours may meet while servers are away.
_AWAY = (RPCError, OSError, TimeoutError, *POSTGRES_FAILED)
_PENDING = "SELECT case_id FROM approvals WHERE state = 'pending'"


async def load_world(session: Session, cases: Sequence[PlannedCase]) -> None:
    first = datetime.now(UTC) - timedelta(hours=6)
    world: dict[str, Any] = {
        "customers": [
            {"id": case.customer_id, "email": f"{case.name}@example.com", "name": "Sam"}
            for case in cases
        ],
        "charges": [
            {
                "id": f"ch_{case.name}_{twin}",
                "customer_id": case.customer_id,
                "amount_minor": case.amount_minor,
                "currency": "USD",
                "merchant": "Northwind Music",
                "created_at": first + timedelta(minutes=twin),
                "script": case.script,
            }
            for case in cases
            for twin in (1, 2)
        ],
    }
    await load(session.stores.sandbox, World.model_validate(world))


async def start(session: Session, case: PlannedCase, began: float) -> None:
    """Open the case in its time, and repeat that until it is taken."""
    await until(began + case.at_s)
    new = NewCase.check(case.customer_id, _TEXT, case.case_id)
    while True:
        try:
            async with asyncio.timeout(15):
                await start_case(session, new, use_existing=True)
        except CaseAlreadyExists:
            return
        except _AWAY:
            await asyncio.sleep(0.5)
        else:
            return


async def approve(session: Session) -> None:
    """A person who approves whatever is asked, until it is cancelled."""
    while True:
        with suppress(*_AWAY):
            for row in await session.stores.pool.fetch(_PENDING):
                with suppress(CaseError):
                    async with asyncio.timeout(15):
                        await decide(session, row["case_id"], Verdict.APPROVED, by="lead")
        await asyncio.sleep(0.5)


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def all_ended(session: Session, cases: Sequence[PlannedCase]) -> None:
    """Wait for it, but not for ever: what has not ended is counted."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while len(await ended_of(session, cases)) < len(cases):  # noqa: ASYNC110  rows
                await asyncio.sleep(0.5)
            for case in cases:
                await session.handle(case.case_id).result()
