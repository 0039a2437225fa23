"""Rate limits on a real Valkey: shared by all, all or nothing, and never more than allowed."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from cases.errors import InvalidInput
from cases.ports import RateLimits
from cases.rates import Rate
from runtime.servers import Servers
from stores.limits import RedisRateLimits
from stores.redis import connect_redis
from tests.stores.processes import other_process
from tests.stores.support import tell

DAY = 86_400


@pytest.fixture
def limits(redis: Redis) -> RedisRateLimits:
    return RedisRateLimits(redis)


@pytest.fixture
def name(number: str) -> str:
    return f"model:{number}"


async def _wait(limits: RedisRateLimits, given: Mapping[str, Rate], cost: int = 1) -> float:
    """How many seconds it says to wait."""
    return (await limits.take(given, cost)).total_seconds()


async def _takes(limits: RedisRateLimits, given: dict[str, Rate], tries: int) -> int:
    """How many of so many tries were let through."""
    return [await _wait(limits, given) for _ in range(tries)].count(0.0)


async def test_a_burst_goes_on_and_the_next_one_waits_for_one_to_come_back(
    limits: RedisRateLimits, name: str
) -> None:
    ten = {name: Rate(count=10, per_s=DAY)}
    assert await _takes(limits, ten, 10) == 10

    wait = await _wait(limits, ten)

    assert DAY / 10 - 60 < wait <= DAY / 10
    assert await _wait(limits, ten) <= wait  # to ask costs nothing


async def test_what_was_taken_comes_back_evenly(limits: RedisRateLimits, name: str) -> None:
    rate = {name: Rate(count=20, per_s=2, burst=1)}
    started = asyncio.get_running_loop().time()
    for _ in range(11):
        while wait := await _wait(limits, rate):
            assert wait <= 0.1
            await asyncio.sleep(wait)

    assert asyncio.get_running_loop().time() - started >= 0.95  # 10 intervals of 0.1


async def test_a_wait_that_was_waited_for_is_enough(limits: RedisRateLimits, name: str) -> None:
    rate = {name: Rate(count=6, per_s=1)}  # an interval with a remainder
    assert await _takes(limits, rate, 6) == 6
    wait = await _wait(limits, rate)
    assert 0 < wait <= 1 / 6 + 0.001
    await asyncio.sleep(wait + 0.01)

    assert await _wait(limits, rate) == 0.0


async def test_a_small_burst_holds_back_what_the_count_would_allow(
    limits: RedisRateLimits, name: str
) -> None:
    assert await _takes(limits, {name: Rate(count=1000, per_s=DAY, burst=3)}, 10) == 3


async def test_a_cost_takes_as_many_at_once(limits: RedisRateLimits, name: str) -> None:
    ten = {name: Rate(count=10, per_s=DAY)}
    assert await _wait(limits, ten, cost=7) == 0.0
    assert 0 < await _wait(limits, ten, cost=4) <= DAY / 10
    assert await _wait(limits, ten, cost=3) == 0.0


@pytest.mark.parametrize("cost", [0, -1, 11])
async def test_a_cost_that_can_never_be_taken_is_refused(
    limits: RedisRateLimits, name: str, cost: int
) -> None:
    with pytest.raises(InvalidInput, match="cost"):
        await _wait(limits, {name: Rate(count=10, per_s=1)}, cost)


async def test_of_several_limits_all_are_taken_or_none(
    limits: RedisRateLimits, redis: Redis, name: str
) -> None:
    wide, narrow = Rate(count=100, per_s=DAY), Rate(count=2, per_s=DAY)
    both = {f"{name}:wide": wide, f"{name}:narrow": narrow}
    assert await _takes(limits, both, 2) == 2
    before = await redis.get(f"{{limits}}:{name}:wide")

    for given in (both, dict(reversed(both.items()))):
        wait = await _wait(limits, given)
        assert DAY / 2 - 60 < wait <= DAY / 2  # the longer one
    assert await redis.get(f"{{limits}}:{name}:wide") == before

    assert await _takes(limits, {f"{name}:wide": wide}, 110) == 98


async def test_no_limit_lets_all_through_without_a_call(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = connect_redis("redis://127.0.0.1:1/0")
    assert await _wait(RedisRateLimits(nowhere), {}) == 0.0
    await nowhere.aclose()

    assert not caplog.records


async def test_a_limit_that_is_whole_again_is_no_key(
    limits: RedisRateLimits, redis: Redis, name: str
) -> None:
    await _wait(limits, {name: Rate(count=1, per_s=2)})
    assert 0 < await redis.pttl(f"{{limits}}:{name}") <= 2000
    assert (await redis.get(f"{{limits}}:{name}") or b"").isdigit()  # to the microsecond
    assert await _wait(limits, {name: Rate(count=1, per_s=2)}) > 0

    await redis.delete(f"{{limits}}:{name}")
    assert await _wait(limits, {name: Rate(count=1, per_s=2)}) == 0.0


@pytest.mark.parametrize("junk", ["", "text", "1e300", "-5", "99999999999999999"])
async def test_a_damaged_limit_makes_nobody_wait_for_longer_than_an_empty_one(
    limits: RedisRateLimits, redis: Redis, name: str, junk: str
) -> None:
    ten = {name: Rate(count=10, per_s=DAY)}
    await redis.set(f"{{limits}}:{name}", junk)

    assert await _wait(limits, ten) <= DAY / 10
    assert await _takes(limits, ten, 15) <= 10


async def test_a_key_of_another_type_is_a_whole_limit(
    limits: RedisRateLimits, redis: Redis, name: str
) -> None:
    await redis.hset(f"{{limits}}:{name}", "a", "b")
    assert await _takes(limits, {name: Rate(count=3, per_s=DAY)}, 5) == 3


async def test_a_rate_that_was_raised_holds_at_once(limits: RedisRateLimits, name: str) -> None:
    assert await _takes(limits, {name: Rate(count=1, per_s=DAY)}, 2) == 1
    assert await _wait(limits, {name: Rate(count=100, per_s=1)}) <= 0.01


async def test_what_flushall_forgot_limits_nobody(
    limits: RedisRateLimits, redis: Redis, name: str
) -> None:
    one = {name: Rate(count=1, per_s=DAY)}
    assert await _takes(limits, one, 2) == 1
    await tell(redis, "FLUSHALL")
    await redis.script_flush()

    assert await _takes(limits, one, 2) == 1


async def test_8_tasks_together_take_what_is_allowed(redis: Redis, name: str) -> None:
    rate = {name: Rate(count=100, per_s=DAY)}
    taken = await asyncio.gather(*(_takes(RedisRateLimits(redis), rate, 50) for _ in range(8)))

    assert sum(taken) == 100


async def test_8_processes_together_take_what_is_allowed(servers: Servers, name: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        takers = await asyncio.gather(
            *(
                stack.enter_async_context(other_process("take", servers.redis_url, name, 150, 100))
                for _ in range(8)
            )
        )
        assert {await one.says() for one in takers} == {"ready"}
        for one in takers:
            await one.go()
        taken = [int(await one.says()) for one in takers]

    assert sum(taken) == 150


def test_the_limits_fit_their_port(limits: RedisRateLimits) -> None:
    port: RateLimits = limits
    assert port is limits


async def test_a_pause_holds_for_all_until_it_is_over_and_the_longer_one_counts(
    limits: RedisRateLimits, redis: Redis, name: str
) -> None:
    other = RedisRateLimits(redis)
    assert await other.paused(name) == timedelta(0)

    await limits.pause(name, timedelta(seconds=0.3))
    await limits.pause(name, timedelta(seconds=0.1))
    left = await other.paused(name)

    assert timedelta(seconds=0.1) < left <= timedelta(seconds=0.3)
    assert await other.paused(f"{name}-b") == timedelta(0)
    await asyncio.sleep(0.35)
    assert await other.paused(name) == timedelta(0)


async def test_a_pause_of_no_time_is_none(limits: RedisRateLimits, name: str) -> None:
    for wait in (timedelta(0), timedelta(seconds=-1)):
        await limits.pause(name, wait)
        assert await limits.paused(name) == timedelta(0)
