"""How long a hot copy lives, and what becomes of one that is damaged, lost or not ours."""

import asyncio
import json
import logging

import pytest
from redis.asyncio import Redis

from activities.steps import CaseRef
from cases.errors import InvalidInput
from cases.ids import MAIN
from cases.schema import SCHEMA_VERSION
from cases.state import CaseState, CaseStatus
from runtime.servers import Servers
from stores.hot import CASE_TTL_S, CLOSED_TTL_S, DEFAULT_TTL_S, RedisHotStore
from stores.redis import connect_redis
from tests.stores.support import ProbeSection, key, later_steps, opened, other, probe, reduced, tell
from workers.composition import Stores


async def test_a_copy_lives_for_an_hour_after_its_last_step_unless_the_store_says_otherwise(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    assert DEFAULT_TTL_S == 3600
    assert CASE_TTL_S == 8 * 24 * 3600
    for store, ttl in ((hot, DEFAULT_TTL_S), (RedisHotStore(redis, ttl_s=CASE_TTL_S), CASE_TTL_S)):
        await store.write(state)
        assert ttl - 5 <= await redis.ttl(key(state)) <= ttl
        await redis.expire(key(state), 60)

        await store.merge(state.case_id, MAIN, [(probe(1), 2)])

        assert ttl - 5 <= await redis.ttl(key(state)) <= ttl
        await redis.delete(key(state))


async def test_the_applications_cases_live_for_longer_than_the_longest_wait(
    stores: Stores, redis: Redis, case_id: str
) -> None:
    state = await opened(stores, case_id)
    await stores.record.load(CaseRef(case_id=case_id, customer_id=state.customer_id))

    assert CASE_TTL_S - 5 <= await redis.ttl(key(state)) <= CASE_TTL_S


async def test_a_case_keeps_a_life_of_its_own_through_steps_and_new_copies(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state, ttl_s=7000)
    assert 6995 <= await redis.ttl(key(state)) <= 7000
    await redis.expire(key(state), 60)

    await hot.merge(state.case_id, MAIN, [(probe(1), 2)])
    assert 6995 <= await redis.ttl(key(state)) <= 7000
    await hot.write(state.after(probe(1), 2))
    assert 6995 <= await redis.ttl(key(state)) <= 7000

    await hot.write(state.after(probe(1), 2), ttl_s=50)
    assert 45 <= await redis.ttl(key(state)) <= 50
    closing = other(1).model_copy(update={"status": CaseStatus.ANSWERED})
    await hot.merge(state.case_id, MAIN, [(closing, 3)])
    assert 295 <= await redis.ttl(key(state)) <= 300


async def test_an_expired_copy_reads_as_none_and_takes_no_step(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state, ttl_s=1)
    async with asyncio.timeout(10):
        while await redis.exists(key(state)):  # noqa: ASYNC110  it is Redis's clock
            await asyncio.sleep(0.05)

    assert await hot.read(state.case_id, MAIN) is None
    assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None
    assert await hot.latest_checkpoint(state.case_id, MAIN) is None
    assert await hot.merge(state.case_id, MAIN, [(probe(1), 2)]) is False


@pytest.mark.parametrize("ttl_s", [0, -1])
async def test_a_life_of_no_time_is_refused(
    hot: RedisHotStore, redis: Redis, state: CaseState, ttl_s: int
) -> None:
    with pytest.raises(InvalidInput, match="ttl_s"):
        await hot.write(state, ttl_s=ttl_s)
    with pytest.raises(InvalidInput, match="ttl_s"):
        RedisHotStore(redis, ttl_s=ttl_s)


async def test_a_copy_of_another_schema_reads_as_none_and_is_made_anew(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    """A step of this code does not go into it, and it must not stay behind that step."""
    state = state.after(probe(1), 2)
    for schema_version in (SCHEMA_VERSION - 1, SCHEMA_VERSION + 1):
        await hot.write(state)
        await redis.hset(key(state), "schema_version", schema_version)

        assert await hot.read(state.case_id, MAIN) is None
        assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None
        assert await hot.merge(state.case_id, MAIN, [(other(1), 3)]) is False
        assert await redis.exists(key(state)) == 0

        await hot.write(state)
        assert await hot.read(state.case_id, MAIN) == state


@pytest.mark.parametrize("status", [status for status in CaseStatus if status.closed])
async def test_a_closed_case_is_readable_for_300_seconds(
    hot: RedisHotStore, redis: Redis, state: CaseState, status: CaseStatus
) -> None:
    assert CLOSED_TTL_S == 300
    closing = probe(1).model_copy(update={"status": status})
    await hot.write(state)
    await hot.merge(state.case_id, MAIN, [(closing, 2)])
    assert 295 <= await redis.ttl(key(state)) <= 300

    await redis.delete(key(state))
    await hot.write(state.after(closing, 2))
    assert 295 <= await redis.ttl(key(state)) <= 300
    assert await hot.read(state.case_id, MAIN) == state.after(closing, 2)


@pytest.mark.parametrize("rebuilt", [False, True])
async def test_what_comes_late_does_not_prolong_a_closed_case(
    hot: RedisHotStore, redis: Redis, state: CaseState, rebuilt: bool
) -> None:
    closing = probe(1).model_copy(update={"status": CaseStatus.ANSWERED})
    await hot.write(state)
    await hot.merge(state.case_id, MAIN, [(closing, 2)])
    if rebuilt:
        await hot.write(state.after(closing, 2))

    await hot.merge(state.case_id, MAIN, [(other(1), 3)])

    assert 0 < await redis.ttl(key(state)) <= 300
    copy = await hot.read(state.case_id, MAIN)
    assert copy
    assert (copy.version, copy.status) == (3, CaseStatus.ANSWERED)


@pytest.mark.parametrize(
    "damage",
    [
        ("version", "two"),
        ("version", "99999999999999999999"),
        ("case", "5"),
        ("case", '["a"]'),
        ("section:probe", "{"),
        ("section:probe", "\udcff"),
        ("section:probe", "[" * 100_000),
        ("section:nobody", "{}"),
        ("retries:before", "[]"),
        ("retries:before", '{"a": "b"}'),
        ("status", "asleep"),
        ("message:00000000:0000", "{}"),
        ("pruned", "few"),
        ("v:step:open", "x"),
        ("schema_version", ""),
        ("\udcff", ""),
    ],
)
async def test_an_unreadable_copy_reads_as_none_with_a_warning_that_tells_no_content(
    hot: RedisHotStore,
    redis: Redis,
    state: CaseState,
    caplog: pytest.LogCaptureFixture,
    damage: tuple[str, str],
) -> None:
    await hot.write(state.after(probe("private words"), 2))
    field, value = (text.encode(errors="surrogateescape") for text in damage)
    await redis.hset(key(state), field, value)

    with caplog.at_level(logging.DEBUG, logger="stores"):
        assert await hot.read(state.case_id, MAIN) is None

    assert "private" not in caplog.text
    assert "charged twice" not in caplog.text
    assert state.customer_id not in caplog.text


async def test_a_copy_without_a_version_takes_no_step_and_is_dropped(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state)
    await redis.hset(key(state), "version", "two")

    assert await hot.merge(state.case_id, MAIN, [(probe(1), 2)]) is False
    assert await redis.exists(key(state)) == 0


async def test_a_key_of_another_type_reads_as_none_and_is_replaced(
    hot: RedisHotStore,
    redis: Redis,
    state: CaseState,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await redis.set(key(state), json.dumps("private words"))

    assert await hot.read(state.case_id, MAIN) is None
    await hot.merge(state.case_id, MAIN, [(probe(1), 2)])
    assert "hot store is not available" in caplog.text
    assert "private" not in caplog.text

    await hot.write(state)
    assert await hot.read(state.case_id, MAIN) == state


async def test_what_flushall_forgot_reads_as_none(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state)
    await tell(redis, "FLUSHALL")

    assert await hot.read(state.case_id, MAIN) is None
    await hot.merge(state.case_id, MAIN, [(probe(1), 2)])
    assert await hot.read(state.case_id, MAIN) is None


async def test_scripts_that_the_server_forgot_are_loaded_again(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await redis.script_flush()
    await hot.write(state)
    await redis.script_flush()
    await hot.merge(state.case_id, MAIN, [(probe(1), 2)])

    assert await hot.read(state.case_id, MAIN) == state.after(probe(1), 2)


async def test_each_call_is_one_round_trip(servers: Servers, state: CaseState) -> None:
    client = connect_redis(servers.redis_url)
    watcher = connect_redis(servers.redis_url)
    hot = RedisHotStore(client)
    try:
        await hot.write(state)  # connects, and loads the script
        await hot.merge(state.case_id, MAIN, [(probe(1), 2)])
        await tell(watcher, "CONFIG RESETSTAT")
        await hot.read(state.case_id, MAIN)
        read = await _calls(watcher)
        await hot.read_section(state.case_id, MAIN, ProbeSection)
        section = await _calls(watcher)
        await hot.latest_checkpoint(state.case_id, MAIN)
        pointer = await _calls(watcher)
        await hot.merge(state.case_id, MAIN, later_steps(state)[1:])
        merged = await _calls(watcher)
        await hot.write(reduced(state))
        written = await _calls(watcher)
    finally:
        await client.aclose()
        await watcher.aclose()

    assert read == {"hgetall": 1}
    assert section == {"hmget": 1}
    assert pointer == {"hget": 1}
    assert merged["evalsha"] == 1
    assert written["evalsha"] == 1
    by_scripts = {"hincrby", "exists", "hget", "hmget", "hkeys", "hset", "hsetnx", "expire", "del"}
    for counts in (merged, written):
        assert set(counts) <= {"evalsha"} | by_scripts


async def _calls(watcher: Redis) -> dict[str, int]:
    """What the server ran since the last look, but for the looking itself."""
    stats = await tell(watcher, "INFO", "commandstats")
    await tell(watcher, "CONFIG RESETSTAT")
    looking = ("info", "config", "hello", "client", "select")
    return {
        name.removeprefix("cmdstat_"): one["calls"]
        for name, one in stats.items()
        if not name.removeprefix("cmdstat_").startswith(looking)
    }
