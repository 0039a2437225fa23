"""A worker's probes and gauges, against real servers that come and go."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from temporalio.client import Client

from cases.errors import InvalidInput
from cases.tasks import TaskKind
from runtime.embedded.ports import LOOPBACK
from runtime.health import FRESH_S
from runtime.metrics import start_metrics
from runtime.servers import Servers
from runtime.settings import Settings
from stores.redis import connect_redis
from tests.conftest import SmallWorld, WorkerFactory
from tests.once.relay import Cut, relayed
from tests.ports import free_address
from tests.probes import ask
from tests.scraped import Scraped, scrape
from tests.stores.own_valkey import OwnValkey
from tests.workflows.support import BILLING, eventually, parked
from workers.composition import Stores
from workers.main import run_worker as run_to_the_end
from workers.observing import observed


@asynccontextmanager
async def probed(client: Client, servers: Servers, stores: Stores) -> AsyncGenerator[str]:
    """The address of a worker that polls."""
    address = free_address()
    settings = Settings(health_address=address)
    async with observed(client, servers, stores, settings, None) as health:
        health.worker = "polling"
        yield address


async def until_ready(address: str, status: int) -> Any:
    async def answered() -> Any:
        found, body = await ask(address, "/readyz")
        return body if found == status else None

    return await eventually(answered)


async def test_a_worker_is_ready_without_redis_and_says_so_until_it_is_back(
    client: Client, servers: Servers, stores: Stores, tmp_path: Path
) -> None:
    valkey = OwnValkey(tmp_path)
    redis = connect_redis(valkey.url)
    async with probed(client, servers, dataclasses.replace(stores, redis=redis)) as address:
        status, body = await ask(address, "/readyz")
        assert (status, body["redis"]) == (200, {"ok": False, "why": "ConnectionError"})

        valkey.start()
        try:
            await asyncio.sleep(FRESH_S)
            assert (await ask(address, "/readyz"))[1]["redis"] == {"ok": True, "why": ""}
        finally:
            await redis.aclose()
            valkey.stop()


async def test_a_worker_is_not_ready_without_postgres_until_it_is_back(
    client: Client, servers: Servers, stores: Stores
) -> None:
    port = urlsplit(servers.database_url).port
    assert port
    async with relayed(port) as (relay, through):
        url = servers.database_url.replace(f":{port}/", f":{through}/")
        far = servers.model_copy(update={"database_url": url})
        async with probed(client, far, stores) as address:
            assert (await ask(address, "/readyz"))[0] == 200
            relay.cuts.append(Cut([b"."], answer=False))
            body = await until_ready(address, 503)
            assert body["postgres"]["why"] == "ConnectionDoesNotExistError"
            assert (body["temporal"]["ok"], body["redis"]["ok"]) == (True, True)
            await until_ready(address, 200)


async def test_a_worker_is_not_ready_without_temporal(servers: Servers, stores: Stores) -> None:
    nobody = await Client.connect(free_address(), lazy=True)
    async with probed(nobody, servers, stores) as address:
        status, body = await ask(address, "/readyz")

    assert (status, body["temporal"]["ok"], body["postgres"]["ok"]) == (503, False, True)


async def test_gauges_tell_what_waits_and_for_how_long(
    client: Client,
    servers: Servers,
    stores: Stores,
    world: SmallWorld,
    run_worker: WorkerFactory,
) -> None:
    await world.twins(120_000)
    async with run_worker():
        await parked(await world.start(BILLING))
    await stores.tasks.open(TaskKind.REFUND_FAILED, f"rf1_{world.number}", "It came back.")
    address = free_address()
    await asyncio.sleep(1)
    async with observed(client, servers, stores, Settings(), start_metrics(address)):

        async def told() -> Scraped | None:
            found = await scrape(address)
            return found if found.total("casekeeper_tasks_open") else None

        found = await eventually(told)

    assert found.total("casekeeper_approvals_open") >= 1
    assert found.total("casekeeper_approval_oldest_seconds") >= 1
    assert found.total("casekeeper_tasks_open", kind="refund_failed") >= 1
    kinds = {one.labels["kind"] for one in found.samples if one.name == "casekeeper_tasks_open"}
    assert kinds == {kind.value for kind in TaskKind}


async def test_a_worker_whose_address_is_taken_does_not_start(
    servers: Servers, settings: Settings
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        address = f"{LOOPBACK}:{taken.getsockname()[1]}"
        asked = settings.model_copy(update={"health_address": address})
        with pytest.raises(InvalidInput, match="CASEKEEPER_HEALTH_ADDRESS"):
            await run_to_the_end(servers, asked, asyncio.Event())
