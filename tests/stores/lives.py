"""Cases of all kinds, each on a worker with doors, to be explained."""

from collections.abc import Awaitable, Callable

from cases.approvals import Verdict
from cases.effects import EffectState, Outcome
from cases.ids import MAIN
from starters.unlock import unlock_account
from tests.workflows.plays import Play
from tests.workflows.promotions import has_done
from tests.workflows.scenes import approved, refunded
from tests.workflows.support import (
    ACCOUNT,
    BILLING,
    BOTH,
    NEITHER,
    decided,
    ended,
    eventually,
    finish,
    parked,
)

Kind = Callable[[Play], Awaitable[None]]


async def paid(play: Play) -> None:
    await refunded(play.world)


async def let_out(play: Play) -> None:
    await approved(play.world)


async def waiting(play: Play) -> None:
    await play.world.twins(120_000)
    await parked(await play.world.start(BOTH))
    await eventually(lambda: has_done(play.world, "reset_mail"))


async def denied(play: Play) -> None:
    await play.world.twins(120_000)
    handle = await play.world.start(BILLING)
    await parked(handle)
    await decided(play.world, Verdict.DENIED)
    await finish(handle)


async def cancelled(play: Play) -> None:
    await waiting(play)
    await play.cancel_by_signal()
    await ended(play.handle)


async def not_undone(play: Play) -> None:
    play.doors.fail(play.case_id, "revoke_reset")
    await cancelled(play)


async def rejected(play: Play) -> None:
    await play.world.twins(4999, script=["disputed"])
    await ended(await play.world.start(BILLING))


async def three_charges(play: Play) -> None:
    await play.world.twins(1999, count=3)
    await ended(await play.world.start(BILLING))


async def neither(play: Play) -> None:
    await play.world.customer()
    await ended(await play.world.start(NEITHER))


async def unlocked(play: Play) -> None:
    await play.world.customer(locked=True)
    await ended(await play.world.start(ACCOUNT))
    await unlock_account(play.world.session, play.case_id, "it is them")


async def failed_later(play: Play) -> None:
    await refunded(play.world)
    ledger = play.world.session.stores.ledger
    [refund] = [e for e in await ledger.of_case(play.case_id, MAIN) if e.amount]
    failed = Outcome(state=EffectState.FAILED, receipt=refund.receipt, code="card closed")
    assert await ledger.resolve(refund.key, failed, "reconciler")


KINDS: dict[str, Kind] = {
    "paid": paid,
    "let out by a person": let_out,
    "waiting": waiting,
    "denied": denied,
    "cancelled": cancelled,
    "not undone": not_undone,
    "rejected": rejected,
    "three charges": three_charges,
    "neither": neither,
    "unlocked": unlocked,
    "failed later": failed_later,
}
