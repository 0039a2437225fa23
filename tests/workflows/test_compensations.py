"""What a stopped case undoes, what it hands to a person, and from where on it undoes nothing."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from temporalio.api.enums.v1 import EventType

from cases.effects import Compensation
from cases.tasks import TaskKind
from starters.session import Session
from tests.workflows.doors import AFTER, BEFORE, Doors
from tests.workflows.left import Left, left_of
from tests.workflows.plays import Play, play_all, worker_with_doors
from tests.workflows.stands import LARGE, SMALL
from tests.workflows.support import ACCOUNT, BILLING, BOTH, Gate, ended, eventually, parked
from workers.composition import Gateways

#: The activity of each compensation; the newest, which is undone first, is the last.
UNDOES = {
    Compensation.WITHDRAW_REQUEST: "close_approval",
    Compensation.REVOKE_RESET: "revoke_reset",
}


@pytest.fixture(scope="module")
async def doors(session: Session, gateways: Gateways) -> AsyncGenerator[Doors]:
    async with worker_with_doors(session, gateways) as guarded:
        yield guarded


async def _waits_with_all_to_undo(play: Play) -> None:
    await play.world.twins(LARGE)
    await play.start(BOTH)
    await parked(play.handle)
    await play.world.until_mailed("reset")


@pytest.mark.parametrize("by_signal", [False, True], ids=["natively", "by signal"])
@pytest.mark.parametrize(
    "broken",
    [{Compensation.WITHDRAW_REQUEST}, {Compensation.REVOKE_RESET}, {*UNDOES}],
    ids=lambda broken: " and ".join(sorted(broken)),
)
async def test_a_compensation_that_fails_for_good_is_a_persons_task_and_the_others_still_run(
    broken: set[Compensation], by_signal: bool, session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    for compensation in broken:
        doors.fail(play.case_id, UNDOES[compensation])
    await _waits_with_all_to_undo(play)
    await (play.cancel_by_signal() if by_signal else play.cancel_natively())
    left = await left_of(play)

    assert (left.status, left.closed, len(left.answers)) == ("cancelled", True, 1)
    assert {row["name"] for row in left.compensations if row["state"] == "failed"} == broken
    assert {row["name"] for row in left.compensations if row["state"] == "done"} == (
        UNDOES.keys() - broken
    )
    assert [row["revoked_at"] is None for row in left.resets] == [
        Compensation.REVOKE_RESET in broken
    ]
    assert [row["state"] == "pending" for row in left.approvals] == [
        Compensation.WITHDRAW_REQUEST in broken
    ]
    assert left.refunds == []
    tasks = [
        task for task in await session.stores.tasks.waiting(10_000) if task.case_id == play.case_id
    ]
    assert {task.kind for task in tasks} == {TaskKind.COMPENSATION_FAILED}
    assert {task.subject for task in tasks} == {f"{play.case_id}/main/{b}" for b in broken}
    assert set(left.events("task_opened")) == {task.task_id for task in tasks}
    assert set(left.events("compensation_failed")) == broken
    left.was_undone_newest_first(cancelled=True)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("held", UNDOES)
async def test_cancels_that_come_while_something_is_undone_cut_nothing_short(
    held: Compensation, when: str, times: int, session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    gate = doors.hold(play.case_id, UNDOES[held], when)
    await _waits_with_all_to_undo(play)
    await play.cancel_by_signal()
    await gate.until_reached()
    for _ in range(times):
        await play.cancel_natively()
        await play.cancel_by_signal()
    gate.open.set()
    left = await left_of(play)

    assert left.closed_by == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
    assert left.status == "cancelled"
    left.is_settled()
    left.was_undone_newest_first(cancelled=True)
    assert [row["name"] for row in left.compensations if row["state"] == "done"] == [*UNDOES]


@dataclass(frozen=True)
class Pivot:
    """A refund and a reset mail side by side, both under way when the case is cancelled."""

    outcome: str
    #: The activity that is heard of last, and on which side of it the case is held.
    last: str
    when: str

    @property
    def moved(self) -> bool:
        return self.outcome in {"ok", "pending", "unknown"}

    def __str__(self) -> str:
        return f"{self.outcome}-{self.last}-{self.when}"


PIVOTS = [
    Pivot(outcome, last, when)
    for outcome in ("ok", "pending", "unknown", "disputed", "refused")
    for last in ("issue_refund", "give_up_refund", "send_reset_mail")
    for when in (BEFORE, AFTER)
    if (outcome == "unknown") == (last == "give_up_refund") or last == "send_reset_mail"
]


@pytest.fixture(scope="module")
async def pivots(
    request: pytest.FixtureRequest, session: Session, doors: Doors
) -> dict[Pivot, asyncio.Task[Left]]:
    return play_all(request, "pivot", lambda pivot: _stopped_at(pivot, session, doors))


async def _stopped_at(pivot: Pivot, session: Session, doors: Doors) -> Left:
    play = Play(session, doors)
    gate = doors.hold(play.case_id, pivot.last, pivot.when)
    if pivot.outcome == "unknown":
        doors.fail(play.case_id, "issue_refund")
    if pivot.outcome == "refused":
        claiming = await _refused_to(play)
        if claiming is not gate:
            claiming.open.set()
    else:
        script = ("ok",) if pivot.outcome == "unknown" else (pivot.outcome,)
        await play.world.twins(SMALL, script=script)
        await play.start(BOTH)
    await gate.until_reached()
    done = "reset_mail" if pivot.last != "send_reset_mail" else "refund"
    await eventually(lambda: _has_done(play, done))
    await (play.cancel_natively() if pivot.when == BEFORE else play.cancel_by_signal())
    gate.open.set()
    return await left_of(play)


async def _refused_to(play: Play) -> Gate:
    """Another case takes the charge while this one is about to claim it."""
    claiming = play.doors.hold(play.case_id, "issue_refund", BEFORE)
    await play.world.twins(SMALL)
    await play.start(BOTH)
    await claiming.until_reached()
    first = await play.world.start(BILLING, f"{play.case_id}_first")
    await first.result()
    return claiming


async def _has_done(play: Play, step: str) -> bool:
    done = (await play.world.state(play.case_id)).completed_steps
    return any(known.partition(":")[0] == step for known in done)


@pytest.mark.parametrize("pivot", PIVOTS, ids=str)
async def test_once_money_may_have_moved_nothing_is_undone_and_before_that_all_of_it(
    pivot: Pivot, pivots: dict[Pivot, asyncio.Task[Left]]
) -> None:
    left = await pivots[pivot]

    left.is_settled(refunds_of_others=pivot.outcome == "refused")
    assert left.status == "cancelled"
    assert len(left.resets) == len(left.answers) == 1
    assert left.money_moved == pivot.moved
    assert [row["revoked_at"] is None for row in left.resets] == [pivot.moved]
    done = [row["name"] for row in left.compensations if row["state"] == "done"]
    assert done == ([] if pivot.moved else [Compensation.REVOKE_RESET])


async def test_what_is_undone_stands_in_the_trail_before_the_answer_that_closes_the_case(
    session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    await _waits_with_all_to_undo(play)
    await play.cancel_natively()
    left = await left_of(play)

    assert left.events("compensation_registered") == ["withdraw_request", "revoke_reset"]
    assert left.events("compensation_done") == ["revoke_reset", "withdraw_request"]
    events = [row["event"] for row in left.audit]
    claims = [row["detail"] for row in left.audit if row["event"] == "effect_claimed"]
    assert claims == ["reset_mail", "reset_revoked", "answer"]
    assert events.index("compensation_registered") < events.index("effect_claimed")


async def test_a_run_that_fails_undoes_what_it_began_and_leaves_the_rest_to_the_reconciler(
    session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    for kind in ("send_answer", "give_up_answer"):
        doors.fail(play.case_id, kind)
    await play.world.customer()
    await play.start(ACCOUNT)
    events = await ended(play.handle)

    assert events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
    [mail] = await play.world.mails("reset")
    assert mail["revoked_at"]
    assert await session.stores.tasks.open_compensations(play.case_id, "main") == []


async def test_a_run_that_fails_after_its_refund_undoes_nothing(
    session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    for kind in ("send_answer", "give_up_answer"):
        doors.fail(play.case_id, kind)
    await play.world.twins(SMALL)
    await play.start(BOTH)
    await ended(play.handle)

    [mail] = await play.world.mails("reset")
    assert mail["revoked_at"] is None
    assert len(await play.world.refunds()) == 1


async def test_a_text_that_comes_while_the_answer_goes_out_leaves_a_row(
    session: Session, doors: Doors
) -> None:
    play = Play(session, doors)
    gate = doors.hold(play.case_id, "send_answer", AFTER)
    await play.world.customer()
    await play.start(ACCOUNT)
    await gate.until_reached()
    await play.write("One more thing")
    gate.open.set()
    await ended(play.handle)

    trail = await session.stores.audit.trail(play.case_id, "main")
    assert [row.detail for row in trail if row.event == "message_too_late"] == ["answered"]
