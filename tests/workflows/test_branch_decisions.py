"""On a branch nobody is asked: what a person decides there and then is only about the case."""

import dataclasses

import pytest

from cases.approvals import ApprovalSection, ApprovalState, Verdict
from cases.branches import ASSUMED
from cases.messages import CancelRequest
from cases.state import CaseStatus
from tests.branches.lines import modes, outside
from tests.conftest import SmallWorld, WorkerFactory
from tests.samples import usd
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    BOTH,
    NEITHER,
    Gate,
    SlowModel,
    decided,
    ended,
    eventually,
    finish,
    parked,
    request_of,
)
from tests.workflows.test_branch import forked, of_branch
from workers.composition import Gateways
from workflows.support_case import SupportCaseWorkflow

pytestmark = BOTH_WAYS

LARGE = 120_000


async def test_a_parked_case_stays_parked_while_its_branch_ends_and_is_paid_once(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        asked = await parked(main)
        for step in ("policy", "approval_request"):
            branch, handle = await forked(world, step)
            assert await finish(handle) == "answered"
            approval = (await of_branch(world, branch)).get(ApprovalSection)
            assert approval
            assert (approval.approval_id, approval.state) == (asked, ApprovalState.APPROVED)
            assert (approval.decided_by, approval.note) == ((), ASSUMED)
            assert (await modes(world, branch))["refund"] == "simulated"

        assert await parked(main) == asked
        assert (await request_of(world)).state is ApprovalState.PENDING
        assert await outside(world) == ([], 0, [])
        await decided(world, Verdict.APPROVED)
        assert await finish(main) == "answered"

    assert len(await world.refunds()) == len(await world.mails("answer")) == 1


@pytest.mark.parametrize(
    ("verdict", "end", "refund"),
    [(Verdict.APPROVED, "answered", "adopted"), (Verdict.DENIED, "rejected", None)],
)
@pytest.mark.parametrize("step", ["billing", "policy", "approval_request"])
async def test_what_a_person_decided_over_the_same_facts_counts_on_a_branch(  # noqa: PLR0917  fixtures
    step: str,
    verdict: Verdict,
    end: str,
    refund: str | None,
    world: SmallWorld,
    run_worker: WorkerFactory,
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        await parked(main)
        await decided(world, verdict)
        assert await finish(main) == end
        before = await outside(world)
        branch, handle = await forked(world, step)
        assert await finish(handle) == end

    assert await outside(world) == before
    approval = (await of_branch(world, branch)).get(ApprovalSection)
    assert approval
    assert (approval.state, approval.decided_by) == (verdict.value, ("lead",))
    assert (await modes(world, branch)).get("refund") == refund


@pytest.mark.parametrize("edit", ["policy.amount=40.00", "billing.refundable=700.00"])
async def test_what_a_person_denied_is_assumed_once_the_sum_is_another(
    edit: str, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        await parked(main)
        await decided(world, Verdict.DENIED)
        assert await finish(main) == "rejected"
        branch, handle = await forked(world, edit.partition(".")[0], [edit])
        assert await finish(handle) == "answered"

    assert await modes(world, branch) == {"refund": "simulated", "answer": "conflict"}
    assert await world.refunds() == []


async def test_what_was_approved_before_the_facts_changed_does_not_count_for_the_new_ones(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    """The fork comes after the new decision, and before the request that is made of it."""
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        first = await parked(main)
        await world.twins(LARGE, count=1)
        await decided(world, Verdict.APPROVED)

        async def asked_anew() -> bool:
            return (await request_of(world)).approval_id != first

        await eventually(asked_anew)
        second = await parked(main)
        branch, handle = await forked(world, "policy:2")
        assert await finish(handle) == "answered"

    approval = (await of_branch(world, branch)).get(ApprovalSection)
    assert approval
    assert (approval.approval_id, approval.note) == (second, ASSUMED)
    assert (approval.amount, approval.decided_by) == (usd("2400.00"), ())


async def test_a_policy_that_is_edited_to_ask_a_person_is_assumed_to_be_approved(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"
        _, handle = await forked(world, "policy", ["policy.approval_required=true"])
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


@pytest.mark.parametrize("natively", [False, True])
@pytest.mark.parametrize("step", ["open", "policy"])
async def test_a_branch_is_cancelled_and_the_request_of_its_case_still_waits(
    step: str, natively: bool, world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BOTH)
        await parked(main)
        await world.until_mailed("reset")
    reading = Gate()
    model = SlowModel(understand=reading, write=reading)
    async with run_worker(gateways=dataclasses.replace(gateways, model=model)):
        what = ["policy.decision=no_action"] if step == "policy" else []
        branch, handle = await forked(world, step, what)
        await reading.until_reached()
        if natively:
            await handle.cancel()
        else:
            await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest(reason="enough"))
        await handle.query("case_state")
        reading.open.set()
        await ended(handle)

        assert (await of_branch(world, branch)).status is CaseStatus.CANCELLED
        assert "refund" not in await modes(world, branch)
        assert (await request_of(world)).state is ApprovalState.PENDING
        assert await outside(world) == ([], 1, [])
        await decided(world, Verdict.APPROVED)
        assert await finish(main) == "answered"
    assert len(await world.refunds()) == 1


async def test_a_branch_that_is_cancelled_before_any_worker_ends_cancelled(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        await parked(main)
    branch, handle = await forked(world, "approval_request")
    await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
    async with run_worker():
        assert await finish(handle) == "cancelled"
        await parked(main)

    assert await modes(world, branch) == {"answer": "simulated"}
    assert (await request_of(world)).state is ApprovalState.PENDING


async def test_a_case_that_was_cancelled_goes_on_in_a_branch(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        await parked(main)
        await main.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
        assert await finish(main) == "cancelled"
        before = await outside(world)
        branch, handle = await forked(world, "approval_request")
        assert await finish(handle) == "answered"
        late, at_the_end = await forked(world, "answer")
        assert await finish(at_the_end) == "cancelled"

    assert await modes(world, branch) == {"refund": "simulated", "answer": "conflict"}
    assert (await of_branch(world, late)).status is CaseStatus.CANCELLED
    assert await outside(world) == before


async def test_a_closed_branch_that_is_cancelled_just_ends(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        assert await finish(await world.start(NEITHER)) in ("answered", "manual_review")
    state = await world.state()
    _, handle = await forked(world, "answer")
    await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
    async with run_worker():
        assert await finish(handle) == state.status.value
