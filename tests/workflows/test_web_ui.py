"""What the Temporal Web UI shows of a case, asked of the server as the UI does."""

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata

from cases.approvals import Verdict
from starters.session import CaseHandle
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BOTH,
    decided,
    events_of,
    eventually,
    finish,
    of_type,
    parked,
)
from workflows.case_file import CASE_BRANCH, CASE_STATUS, NEEDS_HUMAN

pytestmark = BOTH_WAYS


async def _attributes(handle: CaseHandle) -> dict[str, Any]:
    found = (await handle.describe()).typed_search_attributes
    return {
        CASE_STATUS.name: found.get(CASE_STATUS),
        CASE_BRANCH.name: found.get(CASE_BRANCH),
        NEEDS_HUMAN.name: found.get(NEEDS_HUMAN),
    }


async def _until(handle: CaseHandle, **wanted: Any) -> None:
    async def shown() -> bool:
        attributes = await _attributes(handle)
        return all(attributes.get(name) == value for name, value in wanted.items())

    await eventually(shown)


async def test_search_attributes_follow_the_case(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    handle = await world.start(BOTH)
    await _until(handle, CaseStatus="received", CaseBranch="main", NeedsHuman=False)
    async with run_worker():
        await parked(handle)
        await _until(handle, CaseStatus="awaiting_approval", CaseBranch="main", NeedsHuman=True)
        await decided(world, Verdict.APPROVED)
        await finish(handle)
        await _until(handle, CaseStatus="answered", CaseBranch="main", NeedsHuman=False)


async def test_every_activity_says_what_it_does_and_has_its_limits(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(BOTH)
        await finish(handle)

    activities = of_type(await events_of(handle), EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    assert len(activities) == 8
    for event in activities:
        attributes = event.activity_task_scheduled_event_attributes
        assert event.user_metadata.summary.data, attributes.activity_type.name
        assert attributes.start_to_close_timeout.ToSeconds() > 0
        assert attributes.heartbeat_timeout.ToSeconds() > 0
        assert "PayloadsTooLarge" in attributes.retry_policy.non_retryable_error_types


async def test_the_current_details_tell_the_story_so_far(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        description = await handle.describe()
        await decided(world, Verdict.DENIED)
        await finish(handle)

    assert "awaiting approval" in metadata.current_details
    assert "2 charges, duplicates found, 1200.00 USD refundable" in metadata.current_details
    assert await description.static_summary() == "Support case"
    assert (await description.memo())["branch"] == "main"
    assert {s.name for s in metadata.definition.signal_definitions} == {
        "approval_decided", "cancel_case", "customer_said",
    }  # fmt: skip


async def test_nothing_that_everyone_can_list_names_the_customer_or_their_words(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start("I was charged twice. Call me at +1 555 0100, ada@lovelace.org")
        await finish(handle)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        description = await handle.describe()
    summaries = [str(e.user_metadata) for e in await events_of(handle)]
    shown = " ".join(
        [
            metadata.current_details,
            str(await description.memo()),
            str(await _attributes(handle)),
            str(await description.static_details()),
            handle.id,
            *summaries,
        ]
    )

    for personal in ("lovelace", "555 0100", "example.com", world.customer_id, "Call me"):
        assert personal not in shown
    whole = str(await handle.fetch_history())
    assert "lovelace" not in whole
