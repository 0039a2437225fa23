"""Requests for a decision: bound to what was shown, one open at a time, ended once."""

import asyncio

import pytest

from cases.approvals import ApprovalSection, ApprovalState, Verdict
from cases.errors import (
    ApprovalNotFound,
    ConcurrentModification,
    StaleRequest,
)
from cases.ids import MAIN
from tests.stores.support import (
    Waiting,
    asking_step,
    asks,
    commit,
    events,
    opened,
    order,
    step,
    usd,
)
from workers.composition import Stores


async def test_a_request_is_on_record_with_its_step(waiting: Waiting) -> None:
    row = await waiting.row()

    assert (row.state, row.amount, row.rule) == ("pending", usd(60_000), "above_limit")
    assert (row.digest, row.orders) == (waiting.request.digest, waiting.request.orders)
    assert (row.expires_at - row.requested_at).total_seconds() == pytest.approx(72 * 3600, abs=1)
    assert (await waiting.state()).pending_approvals == (row.approval_id,)
    assert await waiting.stores.approvals.newest_of(waiting.case_id, MAIN) == row
    inbox = await waiting.stores.approvals.open_requests()
    assert row in inbox
    assert await waiting.stores.approvals.open_requests(limit=1) == inbox[:1]


async def test_a_request_whose_step_is_refused_is_not_on_record(
    stores: Stores, case_id: str, number: str
) -> None:
    state = await opened(stores, case_id)
    asked = asking_step(asks(case_id, order(number)))
    with pytest.raises(ConcurrentModification):
        await stores.cases.commit(state.case_id, MAIN, [asked], {"approval": 5})

    with pytest.raises(ApprovalNotFound):
        await stores.approvals.newest_of(case_id, MAIN)
    with pytest.raises(ApprovalNotFound):
        await stores.approvals.read(asks(case_id, order(number)).approval_id)


async def test_a_new_request_voids_the_open_one(waiting: Waiting) -> None:
    token = await waiting.approver()
    second = await waiting.ask_again("e2", "approval_request:2")

    assert (await waiting.row()).state is ApprovalState.VOID
    assert second.state is ApprovalState.PENDING
    trail = await waiting.stores.audit.trail(waiting.case_id, MAIN)
    voided = [row for row in trail if row.event == "approval_voided"]
    assert [row.detail for row in voided] == [waiting.request.approval_id]
    with pytest.raises(StaleRequest):
        await waiting.decide(token)
    assert (await waiting.stores.approvals.newest_of(waiting.case_id, MAIN)) == second


async def test_a_voided_request_that_is_asked_again_waits_again(waiting: Waiting) -> None:
    token = await waiting.approver()
    await waiting.ask_again("e2", "approval_request:2")
    back = await waiting.ask_again("e1", "approval_request:3")

    assert back.approval_id == waiting.request.approval_id
    assert (back.state, back.decided_at) == (ApprovalState.PENDING, None)
    assert (await waiting.stores.approvals.newest_of(waiting.case_id, MAIN)) == back
    await waiting.decide(token)


async def test_a_denied_request_that_is_asked_again_stays_denied(waiting: Waiting) -> None:
    await waiting.decide(await waiting.approver(), Verdict.DENIED)

    again = await waiting.ask_again("e1", "approval_request:2")

    assert again.state is ApprovalState.DENIED


async def test_a_request_can_be_withdrawn(waiting: Waiting) -> None:
    withdrawn = step("cancelled", owner="intake", withdraws_approval=True)
    await commit(waiting.stores.cases, await waiting.state(), withdrawn)

    assert (await waiting.row()).state is ApprovalState.VOID
    assert (await events(waiting.stores, waiting.case_id))[-1] == "approval_voided"


@pytest.mark.parametrize("end", [ApprovalState.EXPIRED, ApprovalState.VOID])
async def test_an_open_request_can_be_ended(waiting: Waiting, end: ApprovalState) -> None:
    approvals, approval_id = waiting.stores.approvals, waiting.request.approval_id

    for _ in range(2):
        assert await approvals.close(await waiting.state(), approval_id, end) is end

    section = (await waiting.state()).get(ApprovalSection)
    assert section
    assert section.state is end
    with pytest.raises(StaleRequest):
        await waiting.decide(await waiting.approver())
    assert (await events(waiting.stores, waiting.case_id)).count("section_written") == 2


async def test_approvers_are_reminded_once(waiting: Waiting) -> None:
    reminded = await asyncio.gather(
        *(waiting.stores.approvals.remind(waiting.request.approval_id) for _ in range(4))
    )

    assert sorted(reminded) == [False, False, False, True]
    assert (await events(waiting.stores, waiting.case_id)).count("approval_reminded") == 1


async def test_nobody_is_reminded_of_a_request_that_is_over_or_unknown(waiting: Waiting) -> None:
    await waiting.decide(await waiting.approver())

    assert not await waiting.stores.approvals.remind(waiting.request.approval_id)
    assert not await waiting.stores.approvals.remind("apr_none")
