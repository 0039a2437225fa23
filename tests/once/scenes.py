"""Cases that come to every kind of effect."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cases.approvals import Verdict
from cases.messages import CancelRequest
from starters.session import CaseHandle
from tests.conftest import SmallWorld
from tests.once.invariants import Tally, tally
from tests.workflows.support import BOTH, decided, events_of, eventually, never_stuck
from workflows.support_case import SupportCaseWorkflow

#: Longer than many cases at once take, on a busy machine.
PATIENCE_S = 90.0

#: What stands still, by what a case is called: `case_8842` is its own refund, mail and answer.
KINDS: Mapping[str, str] = {
    "refund": "refund",
    "approved": "refund",
    "reset": "reset_mail",
    "revoked": "reset_revoked",
    "answer": "answer",
}
#: Of each 49.99 needs nobody; 1200.00 needs a person.
_ABOVE_THE_LIMIT = ("approved", "revoked")


async def begin(kind: str, world: SmallWorld) -> CaseHandle:
    """A customer who was charged twice and cannot log in; up to where their effect comes."""
    await world.twins(120_000 if kind in _ABOVE_THE_LIMIT else 4999)
    handle = await world.start(BOTH)
    if kind in _ABOVE_THE_LIMIT:
        await waiting_for_a_person(handle)
    if kind == "approved":
        await decided(world, Verdict.APPROVED)
    if kind == "revoked":
        await world.until_mailed("reset")
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
    return handle


async def waiting_for_a_person(handle: CaseHandle) -> str:
    """Wait until it does; the request's id."""

    async def asked() -> str:
        state: dict[str, Any] = await handle.query("case_state")
        waits = state["status"] == "awaiting_approval"
        return state["sections"]["approval"]["approval_id"] if waits else ""

    return await eventually(asked, within=PATIENCE_S)


async def all_end(handles: Sequence[CaseHandle]) -> None:
    """Wait until the runs have completed; many go on at once, so this takes its time."""
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(handle.result() for handle in handles))
    for handle in handles:
        never_stuck(await events_of(handle))


async def tally_of(worlds: Sequence[SmallWorld], *, left_open: int = 0) -> Tally:
    customers = [world.customer_id for world in worlds]
    return await tally(worlds[0].session.stores, customers, left_open=left_open)


def expected(kinds: Sequence[str]) -> Tally:
    """A cancelled case is paid nothing; of all else each gets one."""
    paid = sum(kind != "revoked" for kind in kinds)
    return Tally(refunds=paid, resets=len(kinds), answers=len(kinds))
