"""Valkey throws copies away to make room: the cases do not notice."""

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import RedisError

from cases.ids import MAIN
from stores.redis import case_key
from tests.conftest import SmallWorld
from tests.faults.checked import checked_tally
from tests.faults.servers.conftest import some_of
from tests.faults.servers.own import OwnServers, session_of
from tests.once.invariants import Tally
from tests.once.scenes import PATIENCE_S
from tests.workflows.support import BOTH, eventually
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker

_CASES = 12
#: Whatever the server takes first, copies of cases are among it: what fills lives longer, and so
#: little of it has room that a copy is soon what was used longest ago.
_FILLING = "x" * 65536
_FILLING_LIVES_S = 30 * 24 * 3600
#: Room for little more than the server itself and some cases.
_ROOM = 1024 * 1024
#: Not by use (lfu): what cases work on is used more often than what only fills.
_POLICIES = ("allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl", "volatile-random")


@pytest.mark.parametrize("policy", some_of(_POLICIES, "allkeys-random"))
async def test_cases_end_while_their_copies_are_evicted(
    policy: str, own: OwnServers, number: str
) -> None:
    async with session_of(own.direct, own.settings, connections=20) as session:
        redis: Any = session.stores.redis

        async def fill() -> None:
            """As other cases would, which come and never go."""
            for place in itertools.count():
                with suppress(RedisError):  # it may find no room at all for a moment
                    key = f"filling:{number}:{place}"
                    await redis.set(key, _FILLING, ex=_FILLING_LIVES_S)
                await asyncio.sleep(0.01)

        async def evicts() -> bool:
            return int((await redis.info("stats"))["evicted_keys"]) > before

        used = (await redis.info("memory"))["used_memory"]
        before = int((await redis.info("stats"))["evicted_keys"])
        await redis.config_set("maxmemory", used + _ROOM)
        await redis.config_set("maxmemory-policy", policy)
        filling = asyncio.create_task(fill())
        try:
            await eventually(evicts)
            worlds = [SmallWorld(session, f"{number}-{place}") for place in range(_CASES)]
            for world in worlds:
                await world.twins()
            gateways = sandbox_gateways(session.stores, session.settings)
            activities = all_activities(session.stores, gateways)
            async with build_worker(session.temporal, activities, session.settings):
                handles = [await world.start(BOTH) for world in worlds]
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(*(handle.result() for handle in handles))
            kept = await redis.exists(*(case_key(f"case_{one.number}", MAIN) for one in worlds))
        finally:
            filling.cancel()
            await redis.config_set("maxmemory", 0)
            await redis.config_set("maxmemory-policy", "noeviction")

        assert kept < _CASES
        assert await checked_tally(worlds) == Tally(refunds=_CASES, resets=_CASES, answers=_CASES)
