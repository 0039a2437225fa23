"""Builds run side by side, and a second one may have put the steps of a case in another order."""

import asyncio
import dataclasses
import re
import shlex
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from cases.approvals import Verdict
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.e2e.shell import PROGRAMS, ROOT
from tests.temporal_alone import temporal_alone
from tests.workers.test_versioning import of_build, until_known
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.support import (
    BILLING,
    NEITHER,
    Handle,
    decided,
    events_of,
    eventually,
    finish,
    of_type,
    parked,
)
from workers.versioning import Build, describe


@pytest.fixture
async def alone(servers: Servers) -> AsyncGenerator[Servers]:
    async with temporal_alone(servers) as own:
        yield own


@pytest.fixture
async def there(alone: Servers) -> Client:
    return await connect(alone)


@pytest.fixture
async def place(alone: Servers, there: Client, session: Session, number: str) -> SmallWorld:
    """A customer who is owed more than the policy pays by itself; their cases run there."""
    elsewhere = dataclasses.replace(session, servers=alone, temporal=there)
    world = SmallWorld(elsewhere, number)
    await world.twins(120_000)
    return world


@pytest.fixture
def build(alone: Servers, settings: Settings, run_worker: WorkerFactory) -> WorkerFactory:
    """`async with build("1.1")`: its worker, on a connection of its own."""

    @asynccontextmanager
    async def run(build_id: str, **options: Any) -> AsyncGenerator[Worker]:
        options |= {"client": await connect(alone), "settings": of_build(settings, build_id)}
        async with run_worker(**options) as worker:
            yield worker

    return run


async def builds_of(handle: Handle) -> set[str]:
    """The builds that took the steps of a run; "" for workers without one."""
    done = of_type(await events_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    return {
        event.workflow_task_completed_event_attributes.deployment_version.build_id for event in done
    }


async def builds(client: Client) -> dict[str, Build]:
    return {build.build_id: build for build in (await describe(client)).builds}


async def test_a_parked_case_ends_on_its_build_and_new_cases_begin_on_the_next(
    place: SmallWorld, there: Client, build: WorkerFactory
) -> None:
    async with build("1.0"):
        await until_known(there, "1.0")
        old = await place.start(BILLING)
        await parked(old)
        async with build("1.1", workflows=[ReorderedWorkflow]):
            await until_known(there, "1.1")
            left = (await builds(there))["1.0"]
            assert (left.status, left.open) == ("draining", 1)

            new = await place.start(NEITHER, f"{place.number}_newer")
            await finish(new)
            await decided(place, Verdict.APPROVED)
            assert await finish(old) == "answered"

            async def drained() -> bool:
                return (await builds(there))["1.0"].status == "drained"

            await eventually(drained)
            assert (await builds(there))["1.0"].open == 0

    assert await builds_of(old) == {"1.0"}
    assert await builds_of(new) == {"1.1"}
    assert [refund["amount_minor"] for refund in await place.refunds()] == [120_000]


async def test_a_case_from_before_there_were_builds_goes_on_with_the_first_one(
    place: SmallWorld, there: Client, build: WorkerFactory
) -> None:
    async with build(""):
        case = await place.start(BILLING)
        await parked(case)
    async with build("1.0"):
        await until_known(there, "1.0")
        await decided(place, Verdict.APPROVED)
        assert await finish(case) == "answered"

    assert await builds_of(case) == {"", "1.0"}


async def test_open_cases_are_moved_as_the_page_on_upgrading_says(
    place: SmallWorld, alone: Servers, there: Client, build: WorkerFactory
) -> None:
    page = (ROOT / "docs" / "upgrading.md").read_text("utf-8")
    found = re.findall(
        r"^temporal (workflow update-options .+?)\n```", page, re.DOTALL | re.MULTILINE
    )
    [command] = found
    async with build("0.1.0"):
        await until_known(there, "0.1.0")
        case = await place.start(BILLING)
        await parked(case)
    async with build("0.2.0"):
        await until_known(there, "0.2.0")
        words = shlex.split(command.replace("\\\n", " "))
        moved = await asyncio.create_subprocess_exec(
            PROGRAMS / "temporal", *words, "--yes", "--address", alone.temporal_address
        )
        assert await moved.wait() == 0
        await decided(place, Verdict.APPROVED)
        assert await finish(case) == "answered"

    assert await builds_of(case) == {"0.1.0", "0.2.0"}
