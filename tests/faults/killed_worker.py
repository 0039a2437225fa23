"""A worker and a person in one process, which can be told to die. Composed as the real ones.

👉 For tests only. It runs in a child that is forked after all imports, so that it is there soon.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from activities.metering import ModelLimits
from activities.model_chain import PaidModels
from cases.answers import AnswerFacts
from cases.model_calls import CallEnd, Spent, Usage
from cases.model_ports import LanguageModel, Meter, ModelReply, OpeningReply, UnderstandingReply
from cases.rates import Rate
from gateways.offline.model import OfflineModel
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import Session
from stores.limits import RedisRateLimits
from stores.model_calls import PostgresModelCalls
from stores.redis import connect_redis
from tests.conftest import SmallWorld
from tests.faults.haste import Haste
from tests.faults.plays import PLAYS
from tests.faults.stage import Stage
from tests.faults.watching import Watch
from workers.composition import (
    Gateways,
    Stores,
    all_activities,
    customer_keys,
    open_postgres,
    stores_on,
)
from workers.main import build_worker
from workers.unversioned import UnversionedRunner

R = TypeVar("R", bound=ModelReply)

_MODEL = OfflineModel()  # once, before the forks: its weights take long to unpack


@dataclass(frozen=True)
class Orders:
    """What a process does, and when it dies: at a point, or at an event of the history."""

    servers: Servers
    home: Path
    play: str
    number: str
    log: Path
    fatal_point: str = ""
    fatal_event: int = 0


class MeteredModel:
    """The offline model as one that is paid by the call. Fits `cases.model_ports.MeteredModel`."""

    name = "paid:offline"

    def __init__(self, inner: LanguageModel) -> None:
        self._inner = inner

    async def understand(self, messages: Sequence[str], meter: Meter) -> UnderstandingReply:
        return await self._metered(meter, lambda: self._inner.understand(messages))

    async def pick_opening(
        self, messages: Sequence[str], facts: AnswerFacts, meter: Meter
    ) -> OpeningReply:
        return await self._metered(meter, lambda: self._inner.pick_opening(messages, facts))

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _metered(self, meter: Meter, ask: Callable[[], Awaitable[R]]) -> R:
        number = await meter.begin(self.name, Spent(tokens=100))
        reply = await ask()
        await meter.end(number, CallEnd.ANSWERED, Usage(input_tokens=10))
        return reply


def run(orders: Orders) -> None:
    """Work until the play is over; what goes wrong is told in a file beside the log."""
    told = os.open(orders.log.with_suffix(".err"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(told, sys.stderr.fileno())
    asyncio.run(_work(orders))


async def _work(orders: Orders) -> None:
    watch = Watch(orders.log, orders.fatal_point)
    settings = Settings(home=orders.home)
    client = await connect(orders.servers, interceptors=[watch.temporal()])
    async with (
        watched_stores(orders.servers, watch) as stores,
        open_postgres(orders.servers.owner_database_url, size=1) as owner,
        build_worker(
            client,
            all_activities(stores, _gateways(stores, watch)),
            settings,
            build_id="faults",  # else the SDK reads all modules to make one, which takes seconds
            workflow_runner=UnversionedRunner(),
            interceptors=[Haste()],
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
            graceful_shutdown_timeout=timedelta(0),
        ),
    ):
        world = SmallWorld(Session(settings, orders.servers, stores, client), orders.number)
        stage = Stage(world, watch.pool(owner))
        async with asyncio.TaskGroup() as group:
            dying = group.create_task(_die(client, stage.case_id, orders.fatal_event, watch))
            await PLAYS[orders.play].act(stage)
            dying.cancel()


@asynccontextmanager
async def watched_stores(servers: Servers, watch: Watch) -> AsyncGenerator[Stores]:
    """As `workers.composition.open_stores`, with every statement and command watched."""
    async with (
        open_postgres(servers.database_url) as pool,
        open_postgres(servers.sandbox_database_url, name="sandbox") as sandbox,
        connect_redis(servers.redis_url) as redis,
    ):
        watch.redis(redis)
        watched = watch.pool(pool)
        yield stores_on(watched, sandbox, redis, customer_keys(watched, servers))


def _gateways(stores: Stores, watch: Watch) -> Gateways:
    watched = watch.gateways(
        Gateways(
            model=_MODEL,
            payments=SandboxPayments(stores.sandbox),
            accounts=SandboxAccounts(stores.sandbox),
            mail=SandboxMail(stores.sandbox),
        )
    )
    limits = ModelLimits(
        PostgresModelCalls(stores.pool),
        RedisRateLimits(stores.redis),
        model=Rate(count=1000, per_s=1),
    )
    return replace(watched, paid=PaidModels([MeteredModel(watched.model)], limits))


async def _die(client: Client, case_id: str, event: int, watch: Watch) -> None:
    """Die once the case's history has that event; 0 is none."""
    while event:
        with suppress(RPCError):  # it has not begun
            handle = client.get_workflow_handle(case_id)
            async for one in handle.fetch_history_events(wait_new_event=True):
                if one.event_id >= event:
                    watch.passes(f"event {one.event_id}")
                    os.kill(os.getpid(), signal.SIGKILL)
            return
        await asyncio.sleep(0.01)
