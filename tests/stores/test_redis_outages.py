"""Leases and limits at a Valkey that is frozen, full, read-only or gone."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cases.errors import LeaseUnavailable
from cases.rates import Rate
from stores.leases import RedisLeases
from stores.limits import RedisRateLimits
from stores.redis import DEADLINE_S, connect_redis
from tests.stores.own_valkey import OwnValkey, own_valkey
from tests.stores.support import tell

ONE = {"model": Rate(count=1, per_s=86_400)}


@pytest.fixture
def valkey(tmp_path: Path) -> Generator[OwnValkey]:
    with own_valkey(tmp_path) as server:
        yield server


@pytest.fixture
async def redis(valkey: OwnValkey) -> AsyncGenerator[Redis]:
    client = connect_redis(valkey.url)
    yield client
    await client.aclose()


async def _nothing_is_had(leases: RedisLeases, limits: RedisRateLimits) -> None:
    """Nobody is told to hold a lease, and nobody waits."""
    started = time.monotonic()
    with pytest.raises(LeaseUnavailable, match="poller") as refused:
        await leases.acquire("poller", 60)
    assert refused.value.retryable
    assert time.monotonic() - started < DEADLINE_S + 0.4

    started = time.monotonic()
    assert await limits.take(ONE) == timedelta(0)
    assert time.monotonic() - started < DEADLINE_S + 0.4

    started = time.monotonic()
    await limits.pause("model:x", timedelta(minutes=1))
    assert await limits.paused("model:x") == timedelta(0)
    assert time.monotonic() - started < 3 * (DEADLINE_S + 0.4)


@pytest.mark.parametrize("trouble", ["frozen", "gone", "full", "read-only"])
async def test_a_server_in_trouble_gives_no_lease_and_holds_nobody_up(
    valkey: OwnValkey, redis: Redis, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    leases, limits = RedisLeases(redis), RedisRateLimits(redis)
    await tell(redis, "PING")
    if trouble == "full":
        await tell(redis, "CONFIG SET", "maxmemory", 1)
    elif trouble == "read-only":
        await tell(redis, "REPLICAOF", "127.0.0.1", valkey.port + 1)
    elif trouble == "gone":
        valkey.stop()
    else:
        valkey.signal(signal.SIGSTOP)
    try:
        await _nothing_is_had(leases, limits)
    finally:
        if trouble == "frozen":
            valkey.signal(signal.SIGCONT)

    assert "rate limits are not available" in caplog.text


async def test_a_command_is_sent_once_whatever_becomes_of_it() -> None:
    sent = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what a client says first, and nothing else."""
        nonlocal sent
        while chunk := await reader.read(65_536):
            if b"anything" in chunk:
                sent += 1
                break
            writer.write(b"+OK\r\n" * chunk.count(b"*"))
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = connect_redis(
            f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?protocol=2"
        )
        with pytest.raises(RedisError):
            await client.get("anything")
        await client.aclose()

    assert sent == 1


async def test_the_client_itself_does_not_wait_for_a_frozen_server(valkey: OwnValkey) -> None:
    client = connect_redis(valkey.url)
    valkey.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(DEADLINE_S + 4):
            with pytest.raises(RedisError):
                await client.get("anything")
    finally:
        valkey.signal(signal.SIGCONT)
        await client.aclose()


async def test_a_holder_does_not_know_of_a_frozen_server_whether_it_holds(
    valkey: OwnValkey, redis: Redis
) -> None:
    leases = RedisLeases(redis)
    lease = await leases.acquire("poller", 60)
    assert lease
    valkey.signal(signal.SIGSTOP)
    try:
        for call in (leases.renew, leases.release):
            with pytest.raises(LeaseUnavailable):
                await call(lease)
    finally:
        valkey.signal(signal.SIGCONT)


async def test_a_block_ends_quietly_when_its_server_has_gone(
    valkey: OwnValkey, redis: Redis
) -> None:
    async with RedisLeases(redis).holding("poller", 60) as held:
        valkey.stop()
        assert held
        assert not held.lost


async def test_a_holder_is_told_when_its_server_has_been_away_for_the_leases_time(
    valkey: OwnValkey, redis: Redis
) -> None:
    async with RedisLeases(redis).holding("poller", 0.6) as held:
        valkey.stop()
        assert held
        started = time.monotonic()
        await held.until_lost()
        assert time.monotonic() - started < 0.6 + 0.4
        assert held.lost


async def test_scripts_that_the_server_forgot_are_loaded_again(redis: Redis) -> None:
    leases, limits = RedisLeases(redis), RedisRateLimits(redis)
    await redis.script_flush()
    lease = await leases.acquire("poller", 60)
    assert lease
    for call in (leases.renew, leases.release):
        await redis.script_flush()
        assert await call(lease)
    await redis.script_flush()
    assert await limits.take(ONE) == timedelta(0)
