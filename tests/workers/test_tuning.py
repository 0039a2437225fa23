"""How much a worker does at a time is set by the environment, and its pools are large enough."""

import asyncio
from typing import Any

import pytest
from temporalio.worker import PollerBehaviorAutoscaling

from runtime.servers import Servers
from runtime.settings import Settings, read_settings
from stores.postgres import Pool
from tests.conftest import WorkerFactory
from workers import main
from workers.composition import Gateways, Stores, all_activities
from workers.main import run_worker as run_to_the_end


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Settings:
    monkeypatch.setenv("CASEKEEPER_HOME", str(settings.home))
    monkeypatch.setenv("CASEKEEPER_ACTIVITY_SLOTS", "7")
    monkeypatch.setenv("CASEKEEPER_CACHED_CASES", "11")
    monkeypatch.setenv("CASEKEEPER_POLLERS_MAX", "3")
    return read_settings()


async def test_slots_cache_and_pollers_are_those_of_the_environment(
    run_worker: WorkerFactory, tuned: Settings
) -> None:
    async with run_worker(settings=tuned) as worker:  # one that never runs keeps its queue for ever
        config: dict[str, Any] = {**worker.config()}

    pollers = PollerBehaviorAutoscaling(minimum=2, maximum=3, initial=3)
    assert config["workflow_task_poller_behavior"] == pollers
    assert config["activity_task_poller_behavior"] == pollers
    assert config["max_concurrent_activities"] == 8
    assert config["max_concurrent_local_activities"] == 7
    assert config["max_cached_workflows"] == 11


async def test_the_postgres_pool_is_as_large_as_the_activity_slots(
    servers: Servers, tuned: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Pool] = []

    def all_activities_of(stores: Stores, gateways: Gateways) -> list[Any]:
        opened.extend([stores.pool, stores.sandbox])
        return all_activities(stores, gateways)

    monkeypatch.setattr(main, "all_activities", all_activities_of)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_to_the_end(servers, tuned, stop, ready))
    await ready.wait()
    async with asyncio.timeout(10):
        for pool in opened:
            held = [await pool.acquire() for _ in range(tuned.activity_slots)]
            for connection in held:
                await pool.release(connection)
    stop.set()
    await running
    assert len(opened) == 2
