"""Compensations on the real server: newest first, all of them, whatever is cancelled."""

from collections.abc import AsyncGenerator

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from tests.workflows.support import eventually
from tests.workflows.three_steps import UNDONE, UP, ThreeSteps, undo
from workers.main import sandbox_runner

QUEUE = "saga-tests"


@pytest.fixture
async def saga_worker(client: Client) -> AsyncGenerator[None]:
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[ThreeSteps],
        activities=[undo],
        workflow_runner=sandbox_runner(),
    ):
        yield


@pytest.mark.usefixtures("saga_worker")
async def test_compensations_run_newest_first_when_a_waiting_case_is_cancelled(
    client: Client, case_id: str
) -> None:
    handle = await client.start_workflow(
        ThreeSteps.run, ["one", "two", "three"], id=case_id, task_queue=QUEUE
    )
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()

    assert UNDONE[case_id] == ["three", "two", "one"]


@pytest.mark.usefixtures("saga_worker")
async def test_a_cancel_between_two_attempts_leaves_no_compensation_out(
    client: Client, case_id: str
) -> None:
    handle = await client.start_workflow(
        ThreeSteps.run, ["one", "two", "down"], id=case_id, task_queue=QUEUE
    )
    await handle.signal(ThreeSteps.stop)

    async def will_be_repeated() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any(activity.last_failure.message for activity in pending)

    await eventually(will_be_repeated)
    await handle.cancel()  # not after another cancel: of a second the server tells the run nothing
    await handle.query("__stack_trace")  # by now the run has heard of it
    UP.add(case_id)

    assert await handle.result() == []
    assert UNDONE[case_id] == ["down", "two", "one"]


@pytest.mark.usefixtures("saga_worker")
async def test_a_compensation_that_fails_is_noted_and_the_others_still_run(
    client: Client, case_id: str
) -> None:
    handle = await client.start_workflow(
        ThreeSteps.run, ["one", "broken", "three"], id=case_id, task_queue=QUEUE
    )
    await handle.cancel()

    assert await handle.result() == ["broken: cannot be undone"]
    assert UNDONE[case_id] == ["three", "broken", "one"]
