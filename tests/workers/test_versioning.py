"""A worker is of one build, and which one takes new cases is told to Temporal."""

from collections.abc import AsyncGenerator

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior

from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from tests.conftest import WorkerFactory
from tests.temporal_alone import temporal_alone
from tests.workflows.support import eventually
from workers.main import WORKFLOWS
from workers.versioning import BuildNotReady, Deployment, deployment_config, describe, make_current
from workflows.promote import PromoteWorkflow
from workflows.support_case import SupportCaseWorkflow


@workflow.defn
class SaysNothing:
    """A workflow that somebody has added without a thought of versions."""

    @workflow.run
    async def run(self) -> None: ...


@pytest.fixture(scope="module")
async def alone(servers: Servers) -> AsyncGenerator[Client]:
    async with temporal_alone(servers) as own:
        yield await connect(own)


def of_build(settings: Settings, build_id: str) -> Settings:
    return settings.model_copy(update={"build_id": build_id})


async def until_known(client: Client, build_id: str) -> None:
    """Wait until a worker of the build has polled; it is the current one then."""

    async def taken() -> bool:
        try:
            await make_current(client, build_id)
        except BuildNotReady:
            return False
        return True

    await eventually(taken)


def test_without_a_build_id_a_worker_is_not_versioned() -> None:
    assert deployment_config("") is None


def test_what_waits_for_days_is_pinned_and_what_is_short_moves_on() -> None:
    pinned = {
        one
        for one in WORKFLOWS
        if workflow._Definition.must_from_class(one).versioning_behavior
        is VersioningBehavior.PINNED
    }

    assert pinned == {SupportCaseWorkflow, PromoteWorkflow}


async def test_a_workflow_that_does_not_say_how_it_is_versioned_keeps_the_worker_from_starting(
    client: Client, settings: Settings, run_worker: WorkerFactory
) -> None:
    with pytest.raises(ValueError, match="SaysNothing must specify a versioning behavior"):
        async with run_worker(
            client=client,
            settings=of_build(settings, "1"),
            workflows=[*WORKFLOWS, SaysNothing],
        ):
            pass


async def test_a_build_is_not_the_current_one_before_its_worker_polls(
    alone: Client, settings: Settings, run_worker: WorkerFactory
) -> None:
    assert await describe(alone) == Deployment()
    with pytest.raises(BuildNotReady, match="Build a1 cannot be the current one"):
        await make_current(alone, "a1")

    async with run_worker(client=alone, settings=of_build(settings, "a1")):
        await until_known(alone, "a1")
        async with run_worker(client=alone, settings=of_build(settings, "a2")):
            with pytest.raises(BuildNotReady, match="a3"):
                await make_current(alone, "a3")
            await until_known(alone, "a2")
            known = await describe(alone)

    assert known.current == "a2"
    assert [(one.build_id, one.status) for one in known.builds][:1] == [("a2", "current")]
    assert {one.build_id for one in known.builds} == {"a1", "a2"}


async def test_what_is_current_already_stays_so(
    alone: Client, settings: Settings, run_worker: WorkerFactory
) -> None:
    async with run_worker(client=alone, settings=of_build(settings, "a4")):
        await until_known(alone, "a4")

        assert await make_current(alone, "a4") == "a4"
