"""A cancel overtakes an agent that is about to commit: the closed case stays closed and clean."""

import dataclasses
from collections.abc import Sequence

import pytest
from temporalio.client import Client

from activities.record import CaseRecord
from activities.steps import StepReport
from cases.approvals import ApprovalState
from cases.messages import CancelRequest
from cases.state import CaseState, CaseStatus, StepUpdate
from runtime.settings import Settings
from starters.session import CaseHandle
from stores.hot import RedisHotStore
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BOTH, Gate, SlowModel, ended, eventually, request_of
from workers.composition import Gateways, Stores, all_activities
from workers.main import build_worker
from workflows.support_case import SupportCaseWorkflow


class SlowRecord(CaseRecord):
    """The case's record, where one owner's first step takes until it is let through."""

    def __init__(self, stores: Stores, owner: str, gate: Gate) -> None:
        super().__init__(stores.cases, RedisHotStore(stores.redis, stores.keys))
        self._owner = owner
        self._gate = gate

    async def commit(self, state: CaseState, updates: Sequence[StepUpdate]) -> StepReport:
        if updates[0].step == f"{self._owner}:1":
            await self._gate.pass_through()
        return await super().commit(state, updates)


@pytest.mark.parametrize("natively", [True, False], ids=["natively", "by signal"])
@pytest.mark.parametrize("agent", ["understanding", "billing", "account", "policy", "response"])
async def test_what_an_agent_commits_after_the_cancel_reopens_nothing(  # noqa: PLR0917  fixtures
    agent: str,
    natively: bool,
    world: SmallWorld,
    client: Client,
    stores: Stores,
    gateways: Gateways,
    settings: Settings,
) -> None:
    await world.twins(120_000 if agent == "policy" else 4999)
    gate = Gate()
    slow = dataclasses.replace(stores, record=SlowRecord(stores, agent, gate))
    async with build_worker(client, all_activities(slow, gateways), settings):
        handle = await world.start(BOTH)
        await gate.until_reached()
        if natively:
            await handle.cancel()
        else:
            await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
        await handle.query("case_state")  # the cancel was taken in
        gate.open.set()
        await ended(handle)

    state = await world.state()
    assert state.status is CaseStatus.CANCELLED
    assert state.completed_steps[-1] == "answer"
    assert len(await world.mails("answer")) == 1
    if agent == "policy":
        assert (await request_of(world)).state is ApprovalState.VOID


async def test_a_request_whose_report_came_together_with_the_cancel_is_withdrawn(
    world: SmallWorld,
    client: Client,
    stores: Stores,
    gateways: Gateways,
    settings: Settings,
) -> None:
    await world.twins(120_000)
    gate = Gate()
    slow = dataclasses.replace(stores, record=SlowRecord(stores, "policy", gate))
    activities = all_activities(slow, gateways)
    # Local activities run where the workflow runs, so that worker has the activities too.
    local_only = {"no_remote_activities": True}
    async with build_worker(client, activities, settings, workflows=[]):
        async with build_worker(client, activities, settings, **local_only):
            handle = await world.start(BOTH)
            await gate.until_reached()
        gate.open.set()

        async def policy_has_reported() -> bool:
            return "policy:1" in (await world.state()).completed_steps and not (
                (await handle.describe()).raw_description.pending_activities
            )

        await eventually(policy_has_reported)
        await handle.cancel()
        async with build_worker(client, activities, settings, **local_only):
            await ended(handle)

    assert (await request_of(world)).state is ApprovalState.VOID
    assert (await world.state()).status is CaseStatus.CANCELLED
    assert len(await world.mails("answer")) == 1


async def test_a_cancel_does_not_wait_for_a_model_that_never_answers(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    silent = dataclasses.replace(gateways, model=SlowModel(understand=Gate()))
    async with run_worker(gateways=silent):
        handle = await world.start(BOTH)
        await eventually(lambda: _is_asked(handle))
        await handle.cancel()
        await ended(handle)

    assert (await world.state()).status is CaseStatus.CANCELLED
    assert len(await world.mails("answer")) == 1


async def _is_asked(handle: CaseHandle) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(activity.last_started_time.seconds for activity in pending)
