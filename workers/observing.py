"""What a running worker shows of itself: answers to probes, and gauges of what waits for people."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.runtime import Runtime

from runtime.health import PATIENCE_S, Health, serving
from runtime.servers import Servers
from runtime.settings import Settings
from stores.backlog import Backlog, read_backlog
from stores.postgres import Pool
from workers.composition import Stores, open_postgres

_log = logging.getLogger(__name__)

#: How often the gauges are brought up to date, in seconds.
_EVERY_S = 10.0


@asynccontextmanager
async def observed(
    client: Client, servers: Servers, stores: Stores, settings: Settings, metrics: Runtime | None
) -> AsyncGenerator[Health]:
    """Answer probes and keep the gauges while the block runs, as far as the settings ask for it.

    On connections of its own: a worker whose cases use all of theirs is busy, and not ill.
    """
    async with AsyncExitStack() as beside:
        if not settings.health_address and not metrics:
            yield Health({}, ())
            return
        pool = await beside.enter_async_context(
            open_postgres(servers.database_url, size=2, name="casekeeper probes")
        )
        health = _health(client, pool, stores)
        await beside.enter_async_context(serving(health, settings.health_address))
        if metrics:
            await beside.enter_async_context(_gauging(pool, metrics))
        yield health


def _health(client: Client, pool: Pool, stores: Stores) -> Health:
    async def temporal() -> object:
        return await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE_S))

    async def postgres() -> object:
        return await pool.fetchval("SELECT 1")

    async def redis() -> object:
        return await stores.redis.get("probe")

    checks = {"temporal": temporal, "postgres": postgres, "redis": redis}
    # Cases go on without Redis.
    return Health(checks, needed=("temporal", "postgres"))


@asynccontextmanager
async def _gauging(pool: Pool, metrics: Runtime) -> AsyncGenerator[None]:
    task = asyncio.create_task(_gauge(pool, metrics))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _gauge(pool: Pool, metrics: Runtime) -> None:
    while True:
        try:
            _set(metrics, await read_backlog(pool))
        except Exception as error:  # noqa: BLE001  gauges that stand still must not end a worker
            _log.warning("the gauges are old", extra={"problem": type(error).__name__})
        await asyncio.sleep(_EVERY_S)


def _set(metrics: Runtime, backlog: Backlog) -> None:
    """Each worker tells the same of the one database: take the maximum, never the sum."""
    meter = metrics.metric_meter
    tasks = meter.create_gauge("casekeeper_tasks_open", "What waits for a person, by kind")
    for kind, number in backlog.tasks.items():
        tasks.set(number, {"kind": kind})
    numbers = {
        "casekeeper_effects_unknown": ("Effects of which no end is known", backlog.effects_unknown),
        "casekeeper_approvals_open": ("Requests that wait for a person", backlog.approvals),
        "casekeeper_approval_oldest_seconds": (
            "For how long the oldest request has waited",
            backlog.oldest_approval_s,
        ),
    }
    for name, (description, number) in numbers.items():
        meter.create_gauge(name, description).set(number)
