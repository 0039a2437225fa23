"""The worker and the commands as they are composed, on a Redis that never does its part."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.servers import Servers
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.redis_faults import FULL, KILLED, READ_ONLY, Fault, OwnValkey
from tests.workflows.scenes import Left, Scene, approved, left_by, only_the_stores_warned, refunded
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.main import build_worker


async def _played(session: Session, number: str) -> list[Left]:
    """What each scene leaves behind, played side by side."""
    scenes: tuple[Scene, ...] = (refunded, approved)
    worlds = [SmallWorld(session, f"{number}{place}") for place in range(len(scenes))]
    await asyncio.gather(*(scene(world) for scene, world in zip(scenes, worlds, strict=True)))
    return [await left_by(world) for world in worlds]


@pytest.fixture
async def undisturbed(session: Session, run_worker: WorkerFactory, number: str) -> list[Left]:
    async with run_worker():
        return await _played(session, f"{number}-u")


@pytest.fixture
async def own(
    servers: Servers, session: Session, tmp_path: Path
) -> AsyncGenerator[tuple[OwnValkey, Session]]:
    """A Redis of this test, and a session that was opened on it."""
    server = OwnValkey(tmp_path)
    await server.start()
    elsewhere = servers.model_copy(update={"redis_url": server.url})
    async with open_stores(elsewhere) as stores:
        yield server, replace(session, servers=elsewhere, stores=stores)
    await server.stop()


@pytest.mark.parametrize("fault", [FULL, READ_ONLY, KILLED], ids=lambda fault: fault.name)
async def test_cases_end_the_same_where_redis_never_worked(
    fault: Fault,
    own: tuple[OwnValkey, Session],
    undisturbed: list[Left],
    number: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, session = own
    await fault.before(server)
    activities = all_activities(session.stores, sandbox_gateways(session.stores, session.settings))
    with caplog.at_level(logging.INFO):
        async with build_worker(session.temporal, activities, session.settings):
            played = await _played(session, f"{number}-d")

    assert played == undisturbed
    assert "not available" in caplog.text
    only_the_stores_warned(caplog)
