"""Nobody decides: a reminder after a day, the end after three, in seconds."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from cases.approvals import EXPIRES_AFTER, REMIND_AFTER, ApprovalState, Verdict
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import (
    BILLING,
    Handle,
    audit_of,
    decided,
    events_of,
    eventually,
    finish,
    of_type,
    parked,
    request_of,
    row_decided_without_signal,
)
from workflows.case_file import CASE_BRANCH, CASE_STATUS, NEEDS_HUMAN

_ATTRIBUTES: list[SearchAttributeKey[str] | SearchAttributeKey[bool]] = [
    CASE_STATUS,
    CASE_BRANCH,
    NEEDS_HUMAN,
]


@asynccontextmanager
async def _time_machine() -> AsyncGenerator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        dev_server_log_level="error",
        search_attributes=_ATTRIBUTES,
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


@pytest.fixture(scope="module")
async def machine() -> AsyncGenerator[WorkflowEnvironment]:
    """A Temporal server on which time can be skipped; the stores stay the session's."""
    async with _time_machine() as environment:
        yield environment


@pytest.fixture
def world(machine: WorkflowEnvironment, session: Session, number: str) -> SmallWorld:
    """A customer whose case lives on that server."""
    return SmallWorld(replace(session, temporal=machine.client), number)


async def test_an_approver_who_is_silent_for_a_day_is_reminded_once(
    world: SmallWorld, machine: WorkflowEnvironment, run_worker: WorkerFactory
) -> None:
    await world.twins(74900)
    async with run_worker(client=machine.client):
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        assert await audit_of(world, "approval_reminded") == []
        await machine.fast_forward(handle, timedelta(hours=25))
        await eventually(lambda: audit_of(world, "approval_reminded"))
        assert await audit_of(world, "approval_reminded") == [approval_id]
        assert (await request_of(world)).state is ApprovalState.PENDING
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


async def test_silence_for_three_days_pays_nothing_and_hands_the_case_to_a_person(
    world: SmallWorld, machine: WorkflowEnvironment, run_worker: WorkerFactory
) -> None:
    await world.twins(74900)
    async with run_worker(client=machine.client):
        handle = await world.start(BILLING)
        await parked(handle)
        await machine.fast_forward(handle, timedelta(hours=25))
        await eventually(lambda: audit_of(world, "approval_reminded"))
        await machine.fast_forward(handle, timedelta(hours=48))
        assert await finish(handle) == "manual_review"
    asked, expired = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in of_type(await events_of(handle), EventType.EVENT_TYPE_TIMER_STARTED)
    ]

    assert asked == REMIND_AFTER
    assert timedelta(0) <= expired <= EXPIRES_AFTER - REMIND_AFTER
    assert (await request_of(world)).state is ApprovalState.EXPIRED
    assert len(await audit_of(world, "approval_reminded")) == 1
    assert await world.refunds() == []
    [answer] = await world.mails("answer")
    assert "A colleague is looking into your request" in answer["body"]


async def test_a_decision_whose_signal_was_lost_is_found_when_time_is_up(
    world: SmallWorld, machine: WorkflowEnvironment, run_worker: WorkerFactory
) -> None:
    await world.twins(74900)
    async with run_worker(client=machine.client):
        handle = await world.start(BILLING)
        await parked(handle)
        await row_decided_without_signal(world, Verdict.APPROVED)
        await machine.fast_forward(handle, timedelta(hours=73))
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


async def test_a_request_that_is_asked_again_has_its_three_days_anew(
    world: SmallWorld, machine: WorkflowEnvironment, run_worker: WorkerFactory
) -> None:
    """A third twin makes another request, and without it the first one is back."""
    await world.twins(74900)
    async with run_worker(client=machine.client):
        handle = await world.start(BILLING)
        first = await parked(handle)
        await machine.fast_forward(handle, timedelta(hours=60))
        [third] = await world.twins(74900, count=1)
        await decided(world, Verdict.APPROVED)
        await eventually(lambda: _asked_for_another(world, first))
        await world.session.stores.sandbox.execute(
            "DELETE FROM sandbox.charges WHERE id = $1", third
        )
        await decided(world, Verdict.APPROVED)
        await eventually(lambda: _waits_for(world, first))
        await machine.fast_forward(handle, timedelta(hours=15))
        await eventually(lambda: _timers_fired(handle, 2))
        await handle.query("case_state")  # the task that the timer set off is done
        assert await _waits_for(world, first)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


async def _asked_for_another(world: SmallWorld, first: str) -> bool:
    request = await request_of(world)
    return request.approval_id != first and request.state is ApprovalState.PENDING


async def _waits_for(world: SmallWorld, approval_id: str) -> bool:
    request = await request_of(world)
    return request.approval_id == approval_id and request.state is ApprovalState.PENDING


async def _timers_fired(handle: Handle, many: int) -> bool:
    fired = of_type(await events_of(handle), EventType.EVENT_TYPE_TIMER_FIRED)
    return len(fired) >= many
