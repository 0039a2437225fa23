"""A refund above the limit: the row in Postgres decides, whatever signals say."""

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest

from cases.approvals import ApprovalState, Verdict
from cases.errors import AlreadyDecided
from cases.messages import ApprovalNotice
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    BOTH,
    Handle,
    audit_of,
    decided,
    ended,
    events_of,
    eventually,
    finish,
    of_type,
    parked,
    request_of,
    row_decided_without_signal,
    scheduled,
    status_is,
)

pytestmark = BOTH_WAYS

LARGE = 74900


def notice(approval_id: str, verdict: str) -> ApprovalNotice:
    return ApprovalNotice(approval_id=approval_id, verdict=verdict)


async def signal_raw(world: SmallWorld, handle: Handle, payloads: list[Payload]) -> None:
    """As any program may send it, whatever it holds."""
    client = world.session.temporal
    await client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            signal_name="approval_decided",
            input=Payloads(payloads=payloads),
        )
    )


async def test_an_approved_refund_is_paid_once_and_the_approval_is_used_up(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BOTH)
        approval_id = await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    [refund] = await world.refunds()
    assert refund["amount_minor"] == LARGE
    request = await request_of(world)
    assert (request.approval_id, request.state) == (approval_id, ApprovalState.APPROVED)
    assert request.consumed_by == (refund["idempotency_key"],)
    [answer] = await world.mails("answer")
    assert "749.00 USD" in answer["body"]


async def test_a_denied_refund_is_not_paid_and_the_customer_is_told(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        await decided(world, Verdict.DENIED)
        assert await finish(handle) == "rejected"

    assert await world.refunds() == []
    assert (await request_of(world)).consumed_by == ()
    assert len(await world.mails("reset")) == 1
    [answer] = await world.mails("answer")
    assert "declined" in answer["body"]


async def test_the_reset_mail_does_not_wait_for_the_approver(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        await eventually(lambda: world.mails("reset"))
        await decided(world, Verdict.DENIED)
        await finish(handle)

    assert len(await world.mails("reset")) == 1


async def test_a_decision_that_came_while_no_worker_ran_is_carried_out_later(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
    await decided(world, Verdict.APPROVED)
    async with run_worker():
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


async def test_a_parked_case_moves_to_another_worker_and_leaves_nothing_behind(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker(identity="first"):
        handle = await world.start(BILLING)
        await parked(handle)
        before = len(await events_of(handle))
    description = (await handle.describe()).raw_description
    assert list(description.pending_activities) == []
    async with run_worker(identity="second"):
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"
    events = await events_of(handle)

    later = of_type(events[before:], EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    workers = {event.activity_task_started_event_attributes.identity for event in later}
    assert workers == {"second"}
    assert scheduled(events).count("issue_refund") == 1


async def test_a_repeated_signal_changes_nothing(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await decided(world, Verdict.APPROVED)
        for _ in range(3):
            await handle.signal("approval_decided", notice(approval_id, "approved"))
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1
    assert len(await world.mails("answer")) == 1


async def test_the_first_decision_stands_against_a_contradicting_one(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    handle = await world.start(BILLING)
    async with run_worker():
        approval_id = await parked(handle)
    await decided(world, Verdict.DENIED)
    with pytest.raises(AlreadyDecided, match="denied by lead"):
        await decided(world, Verdict.APPROVED)
    await handle.signal("approval_decided", notice(approval_id, "approved"))
    async with run_worker():
        assert await finish(handle) == "rejected"

    assert await world.refunds() == []
    assert len(await audit_of(world, "decision_refused")) == 1


@pytest.mark.parametrize(
    ("verdict", "said", "end", "refunds"),
    [(Verdict.APPROVED, "denied", "answered", 1), (Verdict.DENIED, "approved", "rejected", 0)],
)
async def test_a_signal_cannot_undo_the_decision_on_record(  # noqa: PLR0917  fixtures
    verdict: Verdict,
    said: str,
    end: str,
    refunds: int,
    world: SmallWorld,
    run_worker: WorkerFactory,
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await row_decided_without_signal(world, verdict)
        await handle.signal("approval_decided", notice(approval_id, said))
        assert await finish(handle) == end

    assert len(await world.refunds()) == refunds


async def test_a_signal_about_another_request_is_ignored(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await handle.signal("approval_decided", notice(approval_id[:-1] + "!", "approved"))
        await decided(world, Verdict.DENIED)
        assert await finish(handle) == "rejected"
        asked = scheduled(await events_of(handle))

    assert "issue_refund" not in asked


async def test_a_forged_approval_pays_nothing_leaves_a_trace_and_the_case_still_waits(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await handle.signal("approval_decided", notice(approval_id, "approved"))
        await eventually(lambda: audit_of(world, "effect_refused"))
        state = await status_is(handle, "awaiting_approval")
        assert state["sections"]["approval"]["state"] == "pending"
        assert await world.refunds() == []
        assert (await request_of(world)).state is ApprovalState.PENDING
        assert (await world.state()).status == "awaiting_approval"
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert await audit_of(world, "effect_refused") == ["not_approved"]
    assert len(await world.refunds()) == 1


JUNK = [
    [Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff\x00\xfe")],
    [Payload(metadata={"encoding": b"json/plain"}, data=b"{not json")],
    [Payload(metadata={"encoding": b"json/plain"}, data=b"[1, [2]]")],
    [Payload(metadata={"encoding": b"json/plain"}, data=b"42")],
    [Payload(metadata={"encoding": b"json/plain"}, data=b'{"approval_id": 7, "verdict": []}')],
    [Payload(metadata={"encoding": b"binary/null"})],
    [Payload(metadata={"encoding": b"from/mars"}, data=b"?")],
    [Payload(metadata={"encoding": b"json/plain"}, data=b'"a"')] * 3,
    [],
]


@pytest.mark.parametrize("verdict", [Verdict.APPROVED, Verdict.DENIED])
async def test_signals_that_nobody_can_read_do_no_harm(
    world: SmallWorld, run_worker: WorkerFactory, verdict: Verdict
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        for payloads in JUNK:
            await signal_raw(world, handle, payloads)
        await handle.signal("no_such_signal", "hello")
        await decided(world, verdict)
        expected = "answered" if verdict is Verdict.APPROVED else "rejected"
        assert await finish(handle) == expected

    assert len(await world.refunds()) == (1 if verdict is Verdict.APPROVED else 0)


async def test_a_decision_after_the_end_is_refused_and_noted(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await decided(world, Verdict.DENIED)
        await ended(handle)

    with pytest.raises(AlreadyDecided, match="denied by lead"):
        await decided(world, Verdict.APPROVED)
    assert len(await audit_of(world, "decision_refused")) == 1
    assert await world.refunds() == []
