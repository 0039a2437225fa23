"""Lanes: places side by side, each with a database and a namespace of its own, for one kill."""

import asyncio
import itertools
import multiprocessing
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import Session
from starters.tokens import save_token
from stores.postgres import Pool
from tests.conftest import SmallWorld
from tests.faults.checked import assert_invariants
from tests.faults.killed_worker import Orders, run
from tests.faults.outcome import Facts, facts_of, model_calls_of
from tests.faults.plays import PLAYS
from tests.faults.stage import PATIENCE_S
from workers.composition import open_postgres, open_stores
from workers.preparation import prepare

#: The exit code of a process that was killed.
KILLED = -signal.SIGKILL

#: Children are forked from a process that has imported everything and has no threads.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.killed_worker"])


@dataclass(frozen=True)
class Ending:
    """How a case ended, and how the processes did that worked on it."""

    facts: Facts
    model_calls: int
    #: The exit code of each process, and the last point that it passed.
    deaths: list[tuple[int | None, str]]
    complaints: str


@dataclass(frozen=True)
class Lane:
    """Where one case at a time is played."""

    servers: Servers
    home: Path
    session: Session
    owner: Pool

    async def play(
        self, name: str, number: str, *, fatal_point: str = "", fatal_event: int = 0
    ) -> Ending:
        """Play it in a process that dies as is said, then in another one that does not.

        Whatever must hold of every case is asserted to hold of this one.
        """
        world = SmallWorld(self.session, number)
        await PLAYS[name].prepare(world)
        log = self.home / f"{number}.log"
        orders = Orders(self.servers, self.home, name, number, log, fatal_point, fatal_event)
        deaths = [await _ended(orders)]
        if fatal_point or fatal_event:
            deaths.append(await _ended(replace(orders, fatal_point="", fatal_event=0)))
        await assert_invariants(
            self.session.stores, self.session.settings, [f"case_{number}"], settled=False
        )
        return Ending(
            facts=await facts_of(world, self.owner),
            model_calls=await model_calls_of(world, self.owner),
            deaths=deaths,
            complaints=log.with_suffix(".err").read_text()[-4000:],
        )


async def _ended(orders: Orders) -> tuple[int | None, str]:
    """How a process with these orders ended, and the last point that it passed."""
    process = _FORKS.Process(target=run, args=(orders,))
    await asyncio.to_thread(process.start)  # the first waits for all the imports
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, gone.set)
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            await gone.wait()
    finally:
        loop.remove_reader(process.sentinel)
        process.kill()
        process.join()
    return process.exitcode, orders.log.read_text().splitlines()[-1]


def assert_same_end(what: str, calm: Ending, ending: Ending) -> None:
    """Nothing is lost and nothing is there twice, compared with a case that nobody disturbed."""
    lost, added = calm.facts - ending.facts, ending.facts - calm.facts
    told = f"killed at {what}: lost {[*lost]}, added {[*added]}; {ending.complaints}"
    assert calm.deaths[0][0] == 0, calm.complaints
    assert ending.deaths[-1][0] == 0, told
    assert not lost, told
    assert not added, told
    assert ending.model_calls <= calm.model_calls + 1, told


class Lanes:
    """At most so many lanes at a time; who wants one waits for the next that is free."""

    def __init__(self, servers: Servers, folder: Path, most: int) -> None:
        self._servers = servers
        self._folder = folder
        self._turns = asyncio.Semaphore(most)
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._free: list[Lane] = []
        self._numbers = itertools.count(1)

    async def play(self, name: str, *, fatal_point: str = "", fatal_event: int = 0) -> Ending:
        """As `Lane.play`, on the next lane that is free, with a customer of its own."""
        async with self._turns:
            lane = self._free.pop() if self._free else await self._open()
            number = f"{name.replace('_', '-')}-{next(self._numbers)}"
            ending = await lane.play(name, number, fatal_point=fatal_point, fatal_event=fatal_event)
            self._free.append(lane)  # not where it failed: something may be going on there
            return ending

    async def _open(self) -> Lane:
        async with self._opening:  # one at a time: they are copies of the same template
            name = f"lane_{next(self._numbers)}"
            return await self._opened.enter_async_context(
                open_lane(self._servers, self._folder, name)
            )

    async def aclose(self) -> None:
        """Close all lanes."""
        await self._opened.aclose()


@asynccontextmanager
async def open_lane(servers: Servers, folder: Path, name: str) -> AsyncGenerator[Lane]:
    """A database and a namespace of that name on these servers, ready for cases."""
    settings = Settings(home=folder / name)
    settings.home.mkdir()
    async with open_postgres(servers.owner_database_url, size=1) as owner:
        await owner.execute(f"CREATE DATABASE {name}")
    await (await connect(servers)).workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    own = _named(servers, name)
    prepared = await prepare(own, schedules=False)
    save_token(settings.home, str(prepared.approver), str(prepared.token))
    async with open_stores(own) as stores, open_postgres(own.owner_database_url, size=2) as owner:
        session = Session(settings, own, stores, await connect(own))
        yield Lane(own, settings.home, session, owner)


def _named(servers: Servers, name: str) -> Servers:
    urls = {
        field: f"{getattr(servers, field).rpartition('/')[0]}/{name}"
        for field in ("database_url", "owner_database_url", "sandbox_database_url")
    }
    return servers.model_copy(update={**urls, "temporal": {**servers.temporal, "namespace": name}})
