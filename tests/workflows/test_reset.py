"""A case is reset to each point of its past: the outside world does not notice."""

import uuid

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from cases.approvals import ApprovalSection, Verdict
from cases.messages import ApprovalNotice
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import BOTH, decided, ended, events_of, finish, of_type, parked

pytestmark = BOTH_WAYS


_ALL = [
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST,
]


async def _reset(
    client: Client, run: WorkflowExecution, event_id: int, excluded: list[int]
) -> None:
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=run,
            reason="test",
            workflow_task_finish_event_id=event_id,
            request_id=str(uuid.uuid4()),
            reset_reapply_exclude_types=excluded,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        )
    )


@pytest.mark.parametrize("excluded", [[], _ALL], ids=["signals applied again", "signals left out"])
async def test_a_reset_to_any_point_pays_mails_and_answers_no_second_time(
    excluded: list[int], world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    case_id = f"case_{world.number}"
    async with run_worker():
        first = await world.start(BOTH)
        await parked(first)
        await decided(world, Verdict.APPROVED)
        assert await finish(first) == "answered"
        before = await world.state()
        request = before.get(ApprovalSection)
        assert request is not None
        asked = ApprovalNotice(approval_id=request.approval_id, verdict="approved")
        run_id = (await first.describe()).run_id
        run = WorkflowExecution(workflow_id=case_id, run_id=run_id)
        points = [
            event.event_id
            for event in of_type(
                await events_of(first), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            )
        ]
        for point in points:
            await _reset(client, run, point, excluded)
            again = client.get_workflow_handle(case_id)
            if excluded:
                # The decision is on record; only its signal is gone. Any notice wakes the case.
                await again.signal("approval_decided", asked)
            await ended(again)

    assert len(points) >= 6
    assert len(await world.refunds()) == 1
    assert len(await world.mails("reset")) == 1
    assert len(await world.mails("answer")) == 1
    assert await world.state() == before
