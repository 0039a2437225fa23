"""A lease that is held for a block: renewed in the background, and known when it is lost."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from cases.errors import LeaseUnavailable
from stores.leases import Lease, RedisLeases


class Observed(RedisLeases):
    """Notes each renewal, and can lose the way to the server."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.renewals: list[float] = []
        self.away = False

    async def renew(self, lease: Lease) -> bool:
        self.renewals.append(time.monotonic())
        if self.away:
            raise LeaseUnavailable(lease.name)
        return await super().renew(lease)


@pytest.fixture
def leases(redis: Redis) -> Observed:
    return Observed(redis)


@pytest.fixture
def name(number: str) -> str:
    return f"held-{number}"


async def test_a_lease_is_held_for_longer_than_its_time_and_given_back(
    leases: Observed, name: str
) -> None:
    async with leases.holding(name, 1.5) as held:
        assert held
        assert held.token == held.lease.token
        for _ in range(8):
            await asyncio.sleep(0.3)
            assert not held.lost
            assert await leases.acquire(name, 60) is None
        assert 3 <= len(leases.renewals) <= 5  # each third of the time

    renewals = len(leases.renewals)
    assert await leases.acquire(name, 60)
    await asyncio.sleep(0.6)
    assert len(leases.renewals) == renewals


async def test_who_comes_second_gets_none_and_takes_nothing_away(
    leases: Observed, name: str
) -> None:
    async with leases.holding(name, 60) as held:
        async with leases.holding(name, 60) as second:
            assert second is None
        assert held
        assert not held.lost
        assert await leases.acquire(name, 60) is None


async def test_a_lease_that_was_taken_away_is_known_at_the_next_renewal(
    leases: Observed, redis: Redis, name: str
) -> None:
    async with leases.holding(name, 0.6) as held:
        assert held
        await redis.delete(f"lease:{{{name}}}")
        taken = await leases.acquire(name, 60)
        async with asyncio.timeout(10):
            await held.until_lost()
        assert held.lost
        assert taken

    assert await leases.renew(taken)  # the end of the block released nothing of another's


async def test_a_lease_outlives_a_server_that_is_away_for_a_moment_only(
    leases: Observed, name: str
) -> None:
    async with leases.holding(name, 1.5) as held:
        assert held
        leases.away = True
        await asyncio.sleep(0.7)
        assert leases.renewals
        assert not held.lost
        leases.away = False
        await asyncio.sleep(1.2)
        assert not held.lost

        leases.away = True
        async with asyncio.timeout(10):
            await held.until_lost()
        assert held.lost


@asynccontextmanager
async def _stopped_loop(seconds: float) -> AsyncGenerator[None]:
    time.sleep(seconds)  # noqa: ASYNC251  nothing else runs: as when the process is stopped
    yield


async def test_a_stop_of_the_process_counts_before_anything_else_runs(
    leases: Observed, name: str
) -> None:
    async with leases.holding(name, 0.3) as held, _stopped_loop(0.4):
        assert held
        assert held.lost


async def test_a_block_that_fails_gives_its_lease_back(leases: Observed, name: str) -> None:
    async def fail() -> None:
        async with leases.holding(name, 60):
            raise RuntimeError("the block's own")

    async def wait() -> None:
        async with leases.holding(name, 60):
            ready.set()
            await asyncio.sleep(60)

    with pytest.raises(RuntimeError, match="the block's own"):
        await fail()
    ready = asyncio.Event()
    waiting = asyncio.create_task(wait())
    await ready.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()

    lease = await leases.acquire(name, 60)
    assert lease
