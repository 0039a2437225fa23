"""The schedules are there after `prepare`, start what they say, and one run at a time."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    WorkflowExecution,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from runtime.servers import Servers
from tests.workflows.support import eventually
from workers.preparation import prepare
from workers.schedules import COMPARE, DELIVER, RECONCILE, ROUTINES, Routine, ensure_schedules
from workflows.case_file import SEARCH_ATTRIBUTES


@pytest.fixture
async def temporal() -> AsyncGenerator[Client]:
    """A Temporal of the test's own, with no worker."""
    program = str(Path(sys.executable).parent / "temporal")
    async with await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]  upstream
        dev_server_existing_path=program,
        dev_server_log_level="error",
        data_converter=pydantic_data_converter,
    ) as env:
        yield env.client


def every(seconds: float) -> Routine:
    """The delivery, more often."""
    interval = ScheduleIntervalSpec(timedelta(seconds=seconds))
    return dataclasses.replace(DELIVER, spec=ScheduleSpec(intervals=[interval]))


async def described(client: Client, routine: Routine) -> ScheduleDescription:
    return await client.get_schedule_handle(routine.schedule_id).describe()


async def runs(client: Client, status: str = "Running") -> Sequence[WorkflowExecution]:
    found = client.list_workflows(f"WorkflowType = 'Deliver' AND ExecutionStatus = '{status}'")
    return [run async for run in found]


async def one_runs(client: Client) -> WorkflowExecution:
    async def running() -> WorkflowExecution | None:
        found = await runs(client)
        return found[0] if found else None

    return await eventually(running)


async def test_after_prepare_all_is_scheduled_and_the_first_delivery_runs(
    servers: Servers, temporal: Client
) -> None:
    address = temporal.service_client.config.target_host
    elsewhere = {"target_host": address, "namespace": temporal.namespace}
    own = servers.model_copy(update={"temporal": elsewhere})

    prepared = await prepare(own)
    run = await one_runs(temporal)

    assert set(prepared.search_attributes) == set(SEARCH_ATTRIBUTES)
    assert run.id.startswith("casekeeper-deliver-")
    handle = await temporal.get_workflow_handle(run.id).describe()
    assert await handle.static_summary() == "Deliver the outbox"
    assert run.task_queue == "support-cases"
    for routine in ROUTINES:
        schedule = (await described(temporal, routine)).schedule
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        assert schedule.action.execution_timeout == routine.longest
        assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
        assert schedule.state.note == routine.note
        assert not schedule.state.paused


async def test_the_reconciler_runs_every_five_minutes_and_compares_once_a_day(
    temporal: Client,
) -> None:
    await ensure_schedules(temporal)

    often = await described(temporal, RECONCILE)
    daily = await described(temporal, COMPARE)
    [first, second] = often.info.next_action_times[:2]
    assert second - first == timedelta(minutes=5)
    assert {at.hour for at in daily.info.next_action_times} == {3}
    for description, days in ((often, 0), (daily, 2)):
        action = description.schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        [task] = await temporal.data_converter.decode(action.args)
        assert task == {"compare_days": days}
        assert description.info.num_actions == 0


async def test_the_first_delivery_does_not_wait_for_its_time(temporal: Client) -> None:
    for _ in range(2):
        await ensure_schedules(temporal, [every(3600 * 24 * 365)])

    assert (await one_runs(temporal)).id.startswith("casekeeper-deliver-")
    assert (await described(temporal, DELIVER)).info.num_actions == 1


async def test_a_second_run_is_not_started_while_one_runs(temporal: Client) -> None:
    await ensure_schedules(temporal, [every(1)])
    run = await one_runs(temporal)
    handle = temporal.get_schedule_handle(DELIVER.schedule_id)
    await handle.trigger()

    async def skipped() -> bool:
        info = (await handle.describe()).info
        return info.num_actions_skipped_overlap >= 3

    await eventually(skipped)
    assert [one.run_id for one in await runs(temporal)] == [run.run_id]


async def test_the_next_run_starts_soon_after_one_was_terminated(temporal: Client) -> None:
    await ensure_schedules(temporal, [every(1)])
    run = await one_runs(temporal)

    await temporal.get_workflow_handle(run.id).terminate()

    async def another() -> bool:
        return run.run_id not in {one.run_id for one in await runs(temporal)} and bool(
            await runs(temporal)
        )

    await eventually(another)
    assert len(await runs(temporal)) == 1
    assert DELIVER.spec.intervals[0].every <= timedelta(seconds=30)


async def test_to_repeat_it_changes_what_changed_and_nothing_else(temporal: Client) -> None:
    await ensure_schedules(temporal, ROUTINES)
    handle = temporal.get_schedule_handle(DELIVER.schedule_id)
    await handle.pause(note="maintenance until noon")

    await asyncio.gather(*(ensure_schedules(temporal, [every(7)]) for _ in range(3)))

    schedule = (await handle.describe()).schedule
    assert [spec.every for spec in schedule.spec.intervals] == [timedelta(seconds=7)]
    assert (schedule.state.paused, schedule.state.note) == (True, "maintenance until noon")
    assert len([one async for one in await temporal.list_schedules()]) == len(ROUTINES)


async def test_nothing_is_made_up_for_after_an_outage(temporal: Client) -> None:
    """Starts that were missed while Temporal was down would all come at once."""
    await ensure_schedules(temporal)

    for routine in ROUTINES:
        policy = (await described(temporal, routine)).schedule.policy
        assert policy.catchup_window == routine.catch_up
    assert DELIVER.catch_up <= timedelta(minutes=1)
    assert RECONCILE.catch_up <= timedelta(minutes=5)
    assert COMPARE.catch_up < timedelta(days=1)
