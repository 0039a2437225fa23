"""A promotion that waits for people: reminded, expired, forged, told late, cut off, gone on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.promotion import PromotionTask
from cases.approvals import Approval, ApprovalState, Verdict
from cases.messages import ApprovalNotice
from starters.approve import Said, commit_decision, decide
from starters.promote import promote_branch
from starters.session import Session
from stores.postgres import Pool
from tests.branches.lines import lived, outside
from tests.conftest import SmallWorld, WorkerFactory
from tests.outbox import age, forget_others
from tests.workflows.promotions import forked, promoted, result_of
from tests.workflows.support import Handle, audit_of, events_of, eventually, of_type
from tests.workflows.test_approval_clock import machine
from workers.composition import Gateways, promotion
from workers.main import TASK_QUEUE
from workflows.deliver import DeliverWorkflow, Delivery
from workflows.promote import PromotionResult

__all__ = ["machine"]


@pytest.fixture
def later(machine: WorkflowEnvironment, session: Session, number: str) -> SmallWorld:
    """A customer whose case lives on a server where time can be skipped."""
    return SmallWorld(replace(session, temporal=machine.client), number)


async def request_of(world: SmallWorld, branch: str) -> Approval:
    found = await world.session.stores.approvals.of_promotion(f"case_{world.number}", branch)
    assert found
    return found


async def until_waiting(handle: Handle) -> None:
    """Wait until it has read the request and waits: its clock runs."""

    async def clock() -> bool:
        return bool(of_type(await events_of(handle), EventType.EVENT_TYPE_TIMER_STARTED))

    await eventually(clock)


async def row_decided_without_signal(world: SmallWorld, branch: str) -> None:
    session = world.session
    token = (session.settings.home / "approvers" / "lead.token").read_text().strip()
    said = Said(token=token, verdict=Verdict.APPROVED, note="")
    request = await request_of(world, branch)
    await commit_decision(session.stores, await world.state(), request, said)


async def test_after_a_day_approvers_are_reminded_and_after_three_nothing_is_promoted(
    later: SmallWorld, machine: WorkflowEnvironment, run_worker: WorkerFactory
) -> None:
    async with run_worker(client=machine.client):
        await lived("case_8842", later)
        branch = await forked(later, "policy", "policy.amount=40.00")
        before = await later.state()
        _, handle = await promote_branch(later.session, f"case_{later.number}", branch)
        await until_waiting(handle)
        await machine.fast_forward(handle, timedelta(hours=25))
        assert await eventually(lambda: audit_of(later, "approval_reminded"))
        await machine.fast_forward(handle, timedelta(hours=48))
        assert await result_of(handle) == PromotionResult(state="expired")

    assert (await request_of(later, branch)).state is ApprovalState.EXPIRED
    assert len(await audit_of(later, "promotion_expired")) == 1
    assert await later.state() == before


async def test_what_has_expired_is_asked_again_and_can_be_approved_then(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    case_id = f"case_{world.number}"
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        _, first = await promote_branch(session, case_id, branch)
        asked = await request_of(world, branch)
        await session.stores.promotions.close(asked.approval_id, ApprovalState.EXPIRED)
        await first.signal("asked_again")
        assert await result_of(first) == PromotionResult(state="expired")
        _, result = await promoted(world, branch, Verdict.APPROVED)

    assert (result.state, (await request_of(world, branch)).asked) == ("promoted", 2)


async def test_forged_signals_promote_nothing(
    world: SmallWorld, run_worker: WorkerFactory, session: Session
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        _, handle = await promote_branch(session, f"case_{world.number}", branch)
        asked = await request_of(world, branch)
        for approval_id in (asked.approval_id, "apr_other"):
            notice = ApprovalNotice(approval_id=approval_id, verdict="approved")
            await handle.signal("approval_decided", notice)
        await handle.signal("approval_decided")
        await eventually(lambda: audit_of(world, "decision_ignored"))
        assert (await request_of(world, branch)).state is ApprovalState.PENDING
        await decide(session, f"case_{world.number}", Verdict.DENIED, by="lead")
        assert (await result_of(handle)).state == "denied"


async def test_a_decision_whose_signal_was_lost_is_delivered_to_the_promotion(
    world: SmallWorld, run_worker: WorkerFactory, session: Session, owner: Pool
) -> None:
    await forget_others(owner)
    case_id = f"case_{world.number}"
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        _, handle = await promote_branch(session, case_id, branch)
        await until_waiting(handle)
        await row_decided_without_signal(world, branch)
        await age(owner, case_id)
        delivery = await session.temporal.start_workflow(
            DeliverWorkflow.run,
            Delivery(lasting=timedelta(seconds=30), every=timedelta(seconds=0.1)),
            id=f"deliver-{world.number}",
            task_queue=TASK_QUEUE,
        )
        assert (await result_of(handle)).state == "promoted"
        await delivery.terminate()


async def test_approvers_are_told_of_a_promotion_though_the_case_is_closed(
    world: SmallWorld, run_worker: WorkerFactory, session: Session, owner: Pool
) -> None:
    await forget_others(owner)
    case_id = f"case_{world.number}"
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        await promote_branch(session, case_id, branch)
        delivery = await session.temporal.start_workflow(
            DeliverWorkflow.run,
            Delivery(lasting=timedelta(seconds=30), every=timedelta(seconds=0.1)),
            id=f"deliver-{world.number}",
            task_queue=TASK_QUEUE,
        )
        sent = "SELECT body FROM sandbox.mails WHERE case_id = $1 AND kind = 'notice'"
        notice = await eventually(lambda: session.stores.sandbox.fetchval(sent, case_id))
        await delivery.terminate()

    assert notice.startswith(
        f"The promotion of branch {branch}, to pay or recover 9.99 USD, in case {case_id} waits"
    )


async def test_a_promotion_whose_run_was_terminated_midway_is_gone_on_with(
    world: SmallWorld, run_worker: WorkerFactory, session: Session, gateways: Gateways
) -> None:
    case_id = f"case_{world.number}"
    async with run_worker():
        await lived("case_8842", world)
        await world.twins(count=1)
        branch = await forked(world, "understanding")
        shown, handle = await promote_branch(session, case_id, branch)
        await handle.terminate()
    await row_decided_without_signal(world, branch)
    begun = promotion(session.stores, gateways, session.temporal)
    facts = await session.stores.promotions.facts(case_id, branch)
    task = PromotionTask(
        case_id=case_id,
        branch=branch,
        customer_id=facts.customer_id,
        digest="",
        approval_id=shown["approval_id"],
        by="kim",
    )
    await ActivityEnvironment().run(begun.begin_promotion, task)
    async with run_worker():
        shown, again = await promote_branch(session, case_id, branch)
        assert shown["state"] == "promoting"
        assert (await result_of(again)).status == "answered"

    assert [r["amount_minor"] for r in await world.refunds()] == [4999, 4999]
    assert len((await outside(world)).answers) == 1
