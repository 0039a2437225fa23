"""The hot copy of a case on a real Valkey: a whole copy or none, whatever order steps come in."""

import itertools
from datetime import datetime, timedelta
from typing import cast

import pytest
from redis.asyncio import Redis

from cases.ids import MAIN
from cases.state import CaseState
from stores.hot import RedisHotStore
from tests.stores.support import (
    HARD_VALUES,
    ProbeSection,
    key,
    later_steps,
    other,
    probe,
    reduced,
    step,
)


@pytest.mark.parametrize("name", HARD_VALUES)
async def test_a_value_comes_back_byte_for_byte(
    hot: RedisHotStore, redis: Redis, state: CaseState, name: str
) -> None:
    section = ProbeSection(content=HARD_VALUES[name])
    update = step("probe:1", section)
    await hot.write(state)
    await hot.merge(state.case_id, MAIN, [(update, 2)])
    merged = await redis.hget(key(state), "section:probe")
    await hot.write(state.after(update, 2))

    written = await redis.hget(key(state), "section:probe")
    assert merged == written == section.model_dump_json().encode()
    copy = await hot.read(state.case_id, MAIN)
    assert copy
    assert copy.sections["probe"].model_dump_json() == section.model_dump_json()


async def test_what_is_written_is_read(hot: RedisHotStore, state: CaseState) -> None:
    for written in (state, reduced(state)):
        await hot.write(written)
        assert await hot.read(state.case_id, MAIN) == written


async def test_a_merge_leaves_other_sections_as_they_are_and_tells_the_time(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state.after(probe(HARD_VALUES), 2))
    before = await redis.hget(key(state), "section:probe")

    await hot.merge(state.case_id, MAIN, [(other(1), 3)])

    found = await redis.hmget(key(state), "section:probe", "updated_at")
    assert found[0] == before
    assert datetime.fromisoformat(cast("bytes", found[1]).decode()).utcoffset() == timedelta(0)


async def test_a_merge_onto_nothing_begins_no_copy(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    assert await hot.merge(state.case_id, MAIN, [(probe(1), 2)]) is False

    assert await redis.exists(key(state)) == 0
    assert await hot.read(state.case_id, MAIN) is None


async def test_steps_that_are_merged_in_any_order_give_the_same_copy(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    wanted = reduced(state)
    for order in itertools.permutations(later_steps(state)):
        await redis.delete(key(state))
        await hot.write(state)
        for one in order:
            await hot.merge(state.case_id, MAIN, [one])

        assert await hot.read(state.case_id, MAIN) == wanted, [v for _, v in order]


async def test_a_step_that_is_merged_again_adds_nothing(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    """Also after the copy was made anew: then the step is in it already."""
    await hot.write(state)
    for one in later_steps(state) * 2:
        assert await hot.merge(state.case_id, MAIN, [one]) is True
    assert await hot.read(state.case_id, MAIN) == reduced(state)

    await redis.delete(key(state))
    await hot.write(reduced(state))
    await hot.merge(state.case_id, MAIN, later_steps(state))

    assert await hot.read(state.case_id, MAIN) == reduced(state)


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_copy_that_missed_a_step_reads_as_none(
    hot: RedisHotStore, state: CaseState, lost: int
) -> None:
    await hot.write(state)
    steps = later_steps(state)
    await hot.merge(state.case_id, MAIN, [one for n, one in enumerate(steps) if n != lost])

    assert await hot.read(state.case_id, MAIN) is None

    await hot.write(reduced(state))
    assert await hot.read(state.case_id, MAIN) == reduced(state)


async def test_an_older_copy_never_replaces_a_newer_one(
    hot: RedisHotStore, state: CaseState
) -> None:
    newer = reduced(state)
    assert await hot.write(newer) is True
    assert await hot.write(state) is False

    assert await hot.read(state.case_id, MAIN) == newer


async def test_an_equal_copy_replaces_a_damaged_one(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(reduced(state))
    await redis.hset(key(state), "section:probe", "{")
    assert await hot.read(state.case_id, MAIN) is None

    await hot.write(reduced(state))

    assert await hot.read(state.case_id, MAIN) == reduced(state)
