"""Compensations on the real server: newest first, all of them, whatever is cancelled."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from tests.workflows.support import eventually
from tests.workflows.three_steps import SLOW, UNDONE, ThreeSteps, undo
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
async def test_a_second_cancel_leaves_no_compensation_out(client: Client, case_id: str) -> None:
    SLOW[case_id] = asyncio.Event()
    handle = await client.start_workflow(
        ThreeSteps.run, ["one", "two", "slow"], id=case_id, task_queue=QUEUE
    )
    await handle.cancel()

    async def is_undoing() -> bool:
        return bool((await handle.describe()).raw_description.pending_activities)

    await eventually(is_undoing)
    await handle.cancel()
    SLOW[case_id].set()
    with pytest.raises(WorkflowFailureError):
        await handle.result()

    assert UNDONE[case_id] == ["slow", "two", "one"]


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
