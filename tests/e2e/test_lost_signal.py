"""Temporal dies between a decision's row and its signal; once it is back the case hears of it."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from cases.approvals import ApprovalState, Verdict
from runtime.embedded.stack import EmbeddedStack
from runtime.servers import of_stack
from runtime.settings import Settings
from starters.approve import decide
from starters.session import Session, open_session
from starters.tokens import save_token
from tests.conftest import SmallWorld
from tests.workflows.support import BILLING, parked
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker
from workers.preparation import prepare
from workflows.case_file import SEARCH_ATTRIBUTES


@pytest.fixture
def own_stack(tmp_path: Path) -> Generator[EmbeddedStack]:
    with EmbeddedStack.start(tmp_path, search_attributes=SEARCH_ATTRIBUTES) as stack:
        yield stack


@pytest.fixture
async def own(own_stack: EmbeddedStack, tmp_path: Path) -> AsyncGenerator[Session]:
    """A session on servers of the test's own, with their schedules."""
    settings = Settings(home=tmp_path)
    servers = of_stack(settings, own_stack.addresses)
    prepared = await prepare(servers)
    save_token(tmp_path, prepared.approver or "", prepared.token or "")
    async with open_session(servers) as session:
        yield dataclasses.replace(session, settings=settings)


async def test_a_decision_that_temporal_did_not_hear_of_reaches_its_case_within_a_minute(
    own: Session, own_stack: EmbeddedStack
) -> None:
    world = SmallWorld(own, "lost")
    await world.twins(120_000)
    activities = all_activities(own.stores, sandbox_gateways(own.stores, own.settings))
    async with build_worker(own.temporal, activities, own.settings):
        handle = await world.start(BILLING)
        await parked(handle)
        os.kill(own_stack.server_pids["temporal"], signal.SIGKILL)

        decided = await decide(own, handle.id, Verdict.APPROVED, by="lead")
        assert (decided["state"], decided["case_told"]) == (ApprovalState.APPROVED, False)

        await asyncio.to_thread(own_stack.restart, "temporal")
        async with asyncio.timeout(60):
            assert await handle.result()
    assert (await world.state()).status == "answered"
    assert len(await world.refunds()) == 1
