"""A case is told of its decision by a signal, wherever a run of it is open."""

import sys
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from cases.approvals import Verdict
from cases.errors import GatewayUnavailable
from cases.ids import workflow_id
from runtime.runs import TemporalRuns
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import (
    BILLING,
    events_of,
    finish,
    of_type,
    parked,
    row_decided_without_signal,
)


async def test_a_case_that_waits_is_woken(
    world: SmallWorld, run_worker: WorkerFactory, client: Client
) -> None:
    runs = TemporalRuns(client)
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await row_decided_without_signal(world, Verdict.APPROVED)

        assert await runs.tell_decision(handle.id, "main", approval_id, "approved")

        assert await finish(handle) == "answered"
    assert not await runs.tell_decision(handle.id, "main", approval_id, "approved")


async def test_each_branch_of_a_case_is_told_by_itself(client: Client, case_id: str) -> None:
    handle = await client.start_workflow(
        "Nobody", id=workflow_id(case_id, "fork"), task_queue="nobody-polls"
    )
    runs = TemporalRuns(client)

    assert await runs.tell_decision(case_id, "fork", "apr_1", "denied")
    assert not await runs.tell_decision(case_id, "main", "apr_1", "denied")

    [told] = of_type(await events_of(handle), EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
    attributes = told.workflow_execution_signaled_event_attributes
    assert attributes.signal_name == "approval_decided"
    assert await client.data_converter.decode(attributes.input.payloads) == [
        {"approval_id": "apr_1", "verdict": "denied"}
    ]
    await handle.terminate()
    assert not await runs.tell_decision(case_id, "fork", "apr_1", "denied")


async def test_without_a_client_it_asks_with_that_of_the_activity(
    client: Client, case_id: str
) -> None:
    environment = ActivityEnvironment(client)
    runs = TemporalRuns()

    assert not await environment.run(runs.tell_decision, case_id, "main", "apr_1", "approved")


async def test_while_temporal_is_down_it_says_so() -> None:
    program = str(Path(sys.executable).parent / "temporal")
    async with await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]  upstream
        dev_server_existing_path=program,
        dev_server_log_level="error",
        data_converter=pydantic_data_converter,
    ) as env:
        runs = TemporalRuns(env.client)
        assert not await runs.tell_decision("case_1", "main", "apr_1", "approved")

    with pytest.raises(GatewayUnavailable) as error:
        await runs.tell_decision("case_1", "main", "apr_1", "approved")

    assert "Temporal" in str(error.value)
    assert error.value.retryable
