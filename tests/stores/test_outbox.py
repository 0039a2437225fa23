"""What is to be told was written with the change it tells of, and waits until it is told."""

import pytest

from cases.approvals import ApprovalState, Verdict
from cases.ids import MAIN
from cases.outbox import Occasion
from cases.outbox import Waiting as Untold
from stores.outbox import PostgresOutbox
from stores.postgres import Pool
from tests.outbox import age, forget_others
from tests.stores.support import Waiting, asking_step, commit, usd
from workers.composition import Stores


async def untold(waiting: Waiting, *kinds: Occasion) -> list[Untold]:
    rows = [row async for row in waiting.stores.outbox.waiting(kinds or list(Occasion))]
    return [row for row in rows if row.case_id == waiting.case_id]


async def test_a_request_is_to_be_told_once_however_often_its_step_is_committed(
    waiting: Waiting,
) -> None:
    await commit(waiting.stores.cases, await waiting.state(), asking_step(waiting.request))

    [row] = await untold(waiting)
    assert (row.kind, row.approval_id) == (Occasion.REQUEST, waiting.request.approval_id)
    assert (row.amount, row.needed, row.state) == (usd(60_000), 1, ApprovalState.PENDING)
    assert row.undecided
    assert row.verdict is None


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_a_decision_is_to_be_told_unless_whoever_made_it_tells_it(
    waiting: Waiting, owner: Pool, verdict: Verdict
) -> None:
    await waiting.decide(await waiting.approver(), verdict)
    assert await untold(waiting, Occasion.DECISION) == []

    await age(owner, waiting.case_id)

    [row] = await untold(waiting, Occasion.DECISION)
    assert row.verdict is verdict
    [request] = await untold(waiting, Occasion.REQUEST)
    assert not request.undecided
    await waiting.stores.outbox.told(row.approval_id)
    assert [left.kind for left in await untold(waiting)] == [Occasion.REQUEST]


async def test_a_reminder_is_to_be_told_once(waiting: Waiting) -> None:
    for _ in range(2):
        await waiting.stores.approvals.remind(waiting.request.approval_id)

    [row] = await untold(waiting, Occasion.REMINDER)
    assert row.undecided
    await waiting.stores.outbox.delivered(row)
    await waiting.stores.outbox.delivered(row)
    assert await untold(waiting, Occasion.REMINDER) == []
    assert len(await untold(waiting)) == 1


async def test_a_request_that_waits_anew_is_told_anew_and_what_was_before_is_not(
    waiting: Waiting, owner: Pool
) -> None:
    await waiting.decide(await waiting.approver())
    await waiting.ask_again("e2", "approval_request:2")
    await commit(
        waiting.stores.cases,
        await waiting.state(),
        asking_step(waiting.request, "approval_request:3"),
    )
    await age(owner, waiting.case_id)

    rows = await untold(waiting)
    assert [(row.kind, row.asked, row.current) for row in rows] == [
        ("request", 1, False),
        ("decision", 1, False),
        ("request", 1, True),
        ("request", 2, True),
    ]
    assert [row.undecided for row in rows] == [False, False, False, True]
    assert {row.verdict for row in rows} == {None}

    await waiting.decide(await waiting.approver("bob"), Verdict.DENIED)
    await age(owner, waiting.case_id)
    decisions = await untold(waiting, Occasion.DECISION)
    assert [(row.asked, row.verdict) for row in decisions] == [(1, None), (2, Verdict.DENIED)]


@pytest.mark.parametrize("is_decided", [False, True])
async def test_a_case_that_has_ended_needs_no_word(
    waiting: Waiting, owner: Pool, is_decided: bool
) -> None:
    await waiting.stores.approvals.remind(waiting.request.approval_id)
    if is_decided:
        await waiting.decide(await waiting.approver())
    await age(owner, waiting.case_id)
    await owner.execute(
        "UPDATE cases SET closed_at = clock_timestamp() WHERE (case_id, branch) = ($1, $2)",
        waiting.case_id,
        MAIN,
    )

    rows = await untold(waiting)
    assert len(rows) == 2 + is_decided
    assert all(row.closed and not row.undecided and row.verdict is None for row in rows)


async def test_what_cannot_be_told_does_not_hide_what_came_later(
    waiting: Waiting, stores: Stores, owner: Pool
) -> None:
    await forget_others(owner)
    for number in range(2, 6):
        await waiting.ask_again(f"e{number}", f"approval_request:{number}")

    rows = [row async for row in PostgresOutbox(stores.pool, page=2).waiting([Occasion.REQUEST])]

    assert len(rows) == 4
    assert [row.id for row in rows] == sorted({row.id for row in rows})
