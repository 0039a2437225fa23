"""Leases on a real Valkey: one holder at a time, and tokens that only rise."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cases.errors import InvalidInput
from stores.leases import Lease, RedisLeases, case_lease
from tests.stores.support import tell


@pytest.fixture
def leases(redis: Redis) -> RedisLeases:
    return RedisLeases(redis)


@pytest.fixture
def name(number: str) -> str:
    return f"reconciler-{number}"


async def _acquired(leases: RedisLeases, name: str, ttl_s: float = 60) -> Lease:
    lease = await leases.acquire(name, ttl_s)
    assert lease
    return lease


async def _expire(redis: Redis, name: str) -> None:
    """As if the lease's time were over."""
    assert await redis.delete(f"lease:{{{name}}}") == 1


async def test_a_lease_has_one_holder_for_its_time(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    lease = await _acquired(leases, name, 60)

    assert (lease.name, lease.ttl_s) == (name, 60)
    assert len(lease.holder) == 32
    assert 59_000 <= await redis.pttl(f"lease:{{{name}}}") <= 60_000
    assert await leases.acquire(name, 60) is None
    assert await leases.acquire(name, 60, "another") is None
    assert await leases.acquire(f"{name}-2", 60)


async def test_a_lease_that_expired_is_free(leases: RedisLeases, name: str) -> None:
    first = await _acquired(leases, name, 0.05)
    async with asyncio.timeout(10):
        while (second := await leases.acquire(name, 60)) is None:  # noqa: ASYNC110  Redis's clock
            await asyncio.sleep(0.01)

    assert second.holder != first.holder
    assert second.token > first.token
    assert not await leases.renew(first)
    assert not await leases.release(first)
    assert await leases.renew(second)


async def test_renewing_gives_the_whole_time_again(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    lease = await _acquired(leases, name, 60)
    await redis.pexpire(f"lease:{{{name}}}", 5000)

    assert await leases.renew(lease)

    assert 59_000 <= await redis.pttl(f"lease:{{{name}}}") <= 60_000


async def test_a_lease_whose_time_is_over_is_not_renewed(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    lease = await _acquired(leases, name)
    await _expire(redis, name)

    assert await leases.renew(lease) is False
    assert await redis.exists(f"lease:{{{name}}}") == 0


async def test_only_the_holder_releases(leases: RedisLeases, redis: Redis, name: str) -> None:
    lease = await _acquired(leases, name)
    for other in ({"holder": "another"}, {"token": lease.token - 1}, {"token": lease.token + 1}):
        stranger = lease.model_copy(update=other)
        assert await leases.release(stranger) is False
        assert await leases.renew(stranger) is False
    assert await redis.exists(f"lease:{{{name}}}") == 1

    assert await leases.release(lease) is True
    assert await leases.release(lease) is False
    assert await leases.acquire(name, 60)


async def test_a_holder_that_names_itself_takes_its_lease_again_and_ends_the_old_one(
    leases: RedisLeases, name: str
) -> None:
    """Such as a worker that was started anew, or did not hear the first answer."""
    first = await leases.acquire(name, 60, "worker:1 {a}")
    second = await leases.acquire(name, 60, "worker:1 {a}")

    assert first
    assert second
    assert second.token > first.token
    assert not await leases.renew(first)
    assert not await leases.release(first)
    assert await leases.acquire(name, 60, "worker:1") is None
    assert await leases.release(second)


async def test_tokens_rise_through_release_expiry_and_a_server_that_forgot_all(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    async def flush() -> None:
        await tell(redis, "FLUSHALL")

    async def release() -> None:
        await leases.release(lease)

    async def expire() -> None:
        await _expire(redis, name)

    ends: list[Callable[[], Awaitable[None]]] = [release, expire, flush] * 30
    tokens: list[int] = []
    for end in ends:
        lease = await _acquired(leases, name)
        tokens.append(lease.token)
        await end()

    assert tokens == sorted(set(tokens))


async def test_a_token_is_above_the_last_one_where_the_clock_was_set_back(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    ahead = 2**53 - 10
    await redis.set(f"lease:{{{name}}}:token", ahead)
    first = await _acquired(leases, name)
    await leases.release(first)
    second = await _acquired(leases, name)

    assert (first.token, second.token) == (ahead + 1, ahead + 2)
    assert await leases.renew(second)
    assert await leases.release(second)


async def test_a_token_is_never_below_the_servers_clock(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    await redis.set(f"lease:{{{name}}}:token", 5)
    seconds, microseconds = await tell(redis, "TIME")

    assert (await _acquired(leases, name)).token >= int(seconds) * 1_000_000 + int(microseconds)


async def test_the_last_token_outlives_the_lease(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    lease = await _acquired(leases, name, 1_000_000)
    assert await redis.ttl(f"lease:{{{name}}}:token") > 1_000_000 + 23 * 3600

    await redis.expire(f"lease:{{{name}}}:token", 5)
    await leases.renew(lease)
    assert await redis.ttl(f"lease:{{{name}}}:token") > 1_000_000 + 23 * 3600

    await leases.release(lease)
    assert int(await redis.get(f"lease:{{{name}}}:token") or 0) == lease.token


async def test_two_never_hold_at_once(redis: Redis, name: str) -> None:
    inside, tokens = 0, list[int]()

    async def contend() -> None:
        nonlocal inside
        leases, held = RedisLeases(redis), 0
        while held < 25:
            lease = await leases.acquire(name, 60)
            if lease is None:
                await asyncio.sleep(0.001)
                continue
            inside += 1
            tokens.append(lease.token)
            await asyncio.sleep(0)
            assert inside == 1
            inside -= 1
            held += 1
            assert await leases.release(lease)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(contend())

    assert len(tokens) == 200
    assert tokens == sorted(set(tokens))


@pytest.mark.parametrize("junk", ["free text", "", "12", ":holder", b"\xff\xfe"])
async def test_what_is_no_lease_holds_nobody_up(
    leases: RedisLeases, redis: Redis, name: str, junk: str | bytes
) -> None:
    await redis.set(f"lease:{{{name}}}", junk)
    await redis.set(f"lease:{{{name}}}:token", junk)

    assert await leases.release(await _acquired(leases, name))


async def test_keys_of_another_type_hold_nobody_up(
    leases: RedisLeases, redis: Redis, name: str
) -> None:
    await redis.hset(f"lease:{{{name}}}", "a", "b")
    await redis.hset(f"lease:{{{name}}}:token", "a", "b")

    assert await leases.release(await _acquired(leases, name))


async def test_the_lease_of_a_case_lies_beside_its_copy(
    leases: RedisLeases, redis: Redis, case_id: str
) -> None:
    assert await leases.acquire(case_lease(case_id, "main"), 60)

    lease, copy = f"lease:case:{{{case_id}}}:main", f"case:{{{case_id}}}:main"
    assert await redis.exists(lease, f"{lease}:token") == 2
    slots = {int(await tell(redis, "CLUSTER KEYSLOT", one)) for one in (lease, copy)}
    assert len(slots) == 1


@pytest.mark.parametrize("ttl_s", [0, -1, 0.0004])
async def test_a_time_of_nothing_is_refused(leases: RedisLeases, name: str, ttl_s: float) -> None:
    with pytest.raises(InvalidInput, match="ttl_s"):
        await leases.acquire(name, ttl_s)
