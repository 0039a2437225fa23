"""A case is cancelled wherever its workflow can wait, as the workflow's own code lists it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest
from temporalio.api.enums.v1 import EventType

from activities.agents import AGENTS
from starters.session import Session
from tests.workflows.await_points import await_points
from tests.workflows.doors import BEFORE
from tests.workflows.left import Left, left_of
from tests.workflows.plays import Play, play_all, worker_with_doors
from tests.workflows.stands import CLOCK_STANDS, HELLO, NOBODY_STANDS, SPOTS, STANDS, Spot
from tests.workflows.support import BOTH
from workers.composition import Gateways

NATIVELY, BY_SIGNAL = "natively", "by signal"


@dataclass(frozen=True)
class Cancel:
    """Where a case is cancelled, and how."""

    spot: Spot
    how: str
    #: What holds it is not let go before the cancel itself has stopped it.
    stops: bool = False

    def __str__(self) -> str:
        return f"{self.spot}-{self.how}{'-stopped' * self.stops}"


HELD = [Cancel(spot, how) for spot in SPOTS for how in (NATIVELY, BY_SIGNAL)]
#: An agent at work is stopped; an effect never is.
STOPPED = [
    replace(cancel, stops=True)
    for cancel in HELD
    if cancel.spot.stand.activity in {agent.activity_name() for agent in AGENTS}
    and cancel.spot.when == BEFORE
    and not cancel.spot.stand.cancelled
]
CANCELS = [*HELD, *STOPPED]


@pytest.fixture(scope="module")
async def plays(
    request: pytest.FixtureRequest, session: Session, gateways: Gateways
) -> AsyncGenerator[dict[Cancel, asyncio.Task[Left]]]:
    """All of them at once, on one worker."""
    async with worker_with_doors(session, gateways) as doors:

        async def play(cancel: Cancel) -> Left:
            case = Play(session, doors)
            gate = await cancel.spot.reach(case)
            await (case.cancel_natively() if cancel.how == NATIVELY else case.cancel_by_signal())
            if cancel.stops:
                await case.activity_stopped()
            gate.open.set()
            return await left_of(case)

        yield play_all(request, "cancel", play)


def test_every_await_point_of_the_workflow_has_a_case_that_stands_there() -> None:
    assert {*STANDS, *CLOCK_STANDS, *NOBODY_STANDS} == await_points()


@pytest.mark.parametrize("cancel", CANCELS, ids=str)
async def test_wherever_a_case_is_cancelled_it_is_undone_answered_once_and_closed(
    cancel: Cancel, plays: dict[Cancel, asyncio.Task[Left]]
) -> None:
    left = await plays[cancel]

    left.is_settled()
    stand = cancel.spot.stand
    natively = cancel.how == NATIVELY or stand.cancelled
    assert left.closed_by == (
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
        if natively
        else EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
    )
    assert (left.status == "cancelled") == (not stand.answered)
    assert len(left.answers) == (0 if "send_answer" in stand.fails else 1)
    left.was_undone_newest_first(cancelled=not stand.answered)
    if stand.activity == "record_message":
        assert left.texts == [BOTH, HELLO]
    if stand.activity == "note_stray":
        # The step may have been done when the cancel met it: then it is made, and noted, again.
        assert len(left.events("decision_ignored")) in {1, 2}
