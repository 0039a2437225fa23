"""A promoted branch pays only the difference, after a person's approval, and once."""

import pytest
from temporalio.client import WorkflowExecutionStatus

from cases.approvals import ApprovalSection, ApprovalState, Verdict
from cases.effects import RefundSection, ResolutionSection
from cases.promotion import PromotionRefused
from starters.approve import decide
from starters.promote import promote_branch
from starters.session import Session
from tests.branches.lines import lived, outside
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.promotions import (
    chains_hold,
    forked,
    has_done,
    promoted,
    result_of,
    tasks_of,
)
from tests.workflows.support import BOTH, audit_of, eventually, parked
from workflows.promote import PromotionResult

pytestmark = BOTH_WAYS


async def test_who_was_paid_too_much_is_a_persons_task_and_the_case_is_parked(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        before = await outside(world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        shown, result = await promoted(world, branch, Verdict.APPROVED)

    refund = shown["plan"][0]
    assert (refund["kind"], refund["action"]) == ("refund", "correct")
    assert refund["difference"] == {"amount_minor": -999, "currency": "USD"}
    assert shown["to_pay"] == {"amount_minor": 0, "currency": "USD"}
    assert shown["to_recover"] == {"amount_minor": 999, "currency": "USD"}
    assert (result.state, result.status) == ("promoted", "manual_review")
    assert await outside(world) == before
    [(kind, detail)] = await tasks_of(world)
    assert kind == "money_to_recover"
    assert "49.99 USD was paid" in detail
    state = await world.state()
    assert state.completed_steps[-1] == f"promotion:{branch}"
    assert state.status == "manual_review"
    paid, answer, asked = (
        state.get(RefundSection),
        state.get(ResolutionSection),
        state.get(ApprovalSection),
    )
    assert paid
    assert paid.amount.amount_minor == 4999
    assert answer
    assert (answer.answer, answer.sent) == (before.answers[0], True)
    assert asked
    assert (asked.state, asked.decided_by) == (ApprovalState.APPROVED, ("lead",))
    await chains_hold(session, state.case_id, branch)


async def test_a_second_charge_that_the_branch_wants_refunded_costs_only_that_charge(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        [paid] = await world.refunds()
        await world.twins(count=1)
        branch = await forked(world, "understanding")
        shown, result = await promoted(world, branch, Verdict.APPROVED)

    actions = [(line["kind"], line["action"]) for line in shown["plan"]]
    assert sorted(actions) == [
        ("answer", "cannot_be_undone"),
        ("refund", "add"),
        ("refund", "keep"),
        ("reset_mail", "keep"),
    ]
    assert shown["to_pay"] == {"amount_minor": 4999, "currency": "USD"}
    assert (result.state, result.status) == ("promoted", "answered")
    refunds = await world.refunds()
    assert [r["amount_minor"] for r in refunds] == [4999, 4999]
    assert len({r["charge_id"] for r in refunds}) == 2
    assert refunds[0] == paid
    assert len((await outside(world)).answers) == 1
    section = (await world.state()).get(RefundSection)
    assert section
    assert section.amount.amount_minor == 9998
    await chains_hold(session, f"case_{world.number}", branch)


async def test_where_no_money_is_concerned_nobody_is_asked(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        before = await outside(world)
        branch = await forked(world, "policy")
        shown, result = await promoted(world, branch)

    assert shown["approval_id"] is None
    assert {line["action"] for line in shown["plan"]} == {"keep"}
    assert (result.state, result.status) == ("promoted", "answered")
    assert await outside(world) == before
    assert await audit_of(world, "promotion_requested") == []
    await chains_hold(session, f"case_{world.number}", branch)


async def test_a_branch_takes_the_place_of_a_main_line_that_waits_for_a_person(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    await world.twins(120_000)
    async with run_worker():
        main = await world.start(BOTH)
        asked = await parked(main)
        await eventually(lambda: has_done(world, "reset_mail"))
        branch = await forked(world, "policy")
        shown, handle = await promote_branch(session, f"case_{world.number}", branch)
        await decide(
            session,
            f"case_{world.number}",
            Verdict.APPROVED,
            by="lead",
            request_id=shown["approval_id"],
        )
        result = await result_of(handle)
        how = (await main.describe()).status

    assert (result.state, result.status) == ("promoted", "answered")
    assert how is WorkflowExecutionStatus.TERMINATED
    assert [r["amount_minor"] for r in await world.refunds()] == [120_000]
    assert len((await outside(world)).answers) == 1
    assert (await session.stores.approvals.read(asked)).state is ApprovalState.VOID
    assert await tasks_of(world) == []
    await chains_hold(session, f"case_{world.number}", branch)


async def test_what_was_denied_changes_nothing_and_says_who_denied_it(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        before = await world.state()
        _, result = await promoted(world, branch, Verdict.DENIED)
        with pytest.raises(PromotionRefused, match="was denied by lead"):
            await promote_branch(session, f"case_{world.number}", branch)

    assert result == PromotionResult(state="denied")
    assert await world.state() == before
    [decided] = await audit_of(world, "promotion_decided")
    assert decided.startswith(f"{branch} apr_")
    assert await tasks_of(world) == []


async def test_a_second_promotion_and_one_of_a_stale_branch_are_refused(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        first = await forked(world, "policy")
        second = await forked(world, "policy", "policy.amount=40.00")
        await promoted(world, first)
        with pytest.raises(PromotionRefused, match="was promoted before"):
            await promote_branch(session, f"case_{world.number}", first)
        with pytest.raises(PromotionRefused, match=r"stale: .* at main\.\d+, now it is at main"):
            await promote_branch(session, f"case_{world.number}", second)
