"""Cancel and follow-up where a case stands only after days: reminded, or with its time up."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from cases.approvals import ApprovalState
from starters.session import Session
from tests.workflows.await_points import AwaitPoint
from tests.workflows.left import Left, left_of, see_off
from tests.workflows.plays import Play, play_all, worker_with_doors
from tests.workflows.stands import CLOCK_STANDS, LARGE, Stand
from tests.workflows.support import BILLING, Gate, audit_of, eventually, parked
from tests.workflows.test_approval_clock import (
    machine,  # noqa: F401  # pyright: ignore[reportUnusedImport]  a fixture
)
from workers.composition import Gateways

CANCEL, MORE = "cancelled", "And I can't log in to my account."


@dataclass(frozen=True)
class Late:
    """Where a case stands days after it asked, and what comes then."""

    point: AwaitPoint
    stand: Stand
    when: str
    what: str

    def __str__(self) -> str:
        told = "cancel" if self.what == CANCEL else "follow-up"
        return "-".join(filter(None, [str(self.point), self.when, told]))

    async def reach(self, play: Play, clock: WorkflowEnvironment) -> Gate:
        gate = Gate()
        if self.stand.activity:
            gate = play.doors.hold(play.case_id, self.stand.activity, self.when)
        await play.world.twins(LARGE)
        await play.start(BILLING)
        await parked(play.handle)
        await clock.fast_forward(play.handle, timedelta(hours=25))
        if self.stand.activity == "remind_approvers":
            await gate.until_reached()
            return gate
        await eventually(lambda: audit_of(play.world, "approval_reminded", play.case_id))
        if self.stand.activity:
            # It comes back once the time is over, and what is held keeps the time from going by.
            forward = clock.fast_forward(play.handle, timedelta(hours=48))
            going = asyncio.create_task(forward)
            await gate.until_reached()
            going.cancel()
        return gate


LATE = [
    Late(point, stand, when, what)
    for point, stands in CLOCK_STANDS.items()
    for stand in stands
    for when in stand.holds
    for what in (CANCEL, MORE)
]


@pytest.fixture(scope="module")
async def plays(
    request: pytest.FixtureRequest,
    session: Session,
    gateways: Gateways,
    machine: WorkflowEnvironment,  # noqa: F811  the fixture above
) -> AsyncGenerator[dict[Late, asyncio.Task[Left]]]:
    """All of them at once, on a server whose clock each case moves for itself."""
    there = replace(session, temporal=machine.client)
    async with worker_with_doors(there, gateways) as doors:

        async def play(late: Late) -> Left:
            case = Play(there, doors)
            gate = await late.reach(case, machine)
            await (case.cancel_natively() if late.what == CANCEL else case.write(late.what))
            gate.open.set()
            # A person who approves what is being cancelled may be first, and rightly: not here.
            await see_off(case, approving=late.what != CANCEL)
            return await left_of(case)

        yield play_all(request, "late", play)


@pytest.mark.parametrize("late", LATE, ids=str)
async def test_what_comes_days_after_the_request_is_heeded_as_on_the_first_day(
    late: Late, plays: dict[Late, asyncio.Task[Left]]
) -> None:
    left = await plays[late]

    left.is_settled()
    assert len(left.answers) == 1
    [request] = left.approvals
    if late.what == CANCEL:
        assert left.status == "cancelled"
        assert request["state"] in {ApprovalState.VOID, ApprovalState.EXPIRED}
        left.was_undone_newest_first(cancelled=True)
    else:
        assert left.texts == [BILLING, MORE]
        assert len(left.resets) == 1
        expired = late.stand.activity == "close_approval"
        assert left.status == ("manual_review" if expired else "answered")
        assert len(left.refunds) == (0 if expired else 1)
