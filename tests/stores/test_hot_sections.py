"""Parts of a hot copy: one section, its owner, the newest checkpoint, no copy at all."""

import logging
from typing import ClassVar

import pytest
from redis.asyncio import Redis

from cases.errors import ForeignWrite
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus, StepUpdate
from stores.hot import RedisHotStore
from tests.stores.support import (
    HARD_VALUES,
    OtherProbeSection,
    ProbeSection,
    key,
    later_steps,
    other,
    probe,
    reduced,
    step,
)


class Undeclared(ProbeSection):
    """What a writer makes that names itself the owner of another's section."""

    owner: ClassVar[str] = "thief"


def _forged(name: str = "theft:1") -> StepUpdate:
    """It has passed the check of the code, which compares the section with its writer only."""
    update = StepUpdate(step=name, owner="thief")
    forged = update.model_copy(update={"sections": {"probe": Undeclared(content="forged")}})
    forged.check_ownership()
    return forged


@pytest.mark.parametrize("name", HARD_VALUES)
async def test_a_section_is_read_alone_as_it_was_written(
    hot: RedisHotStore, state: CaseState, name: str
) -> None:
    await hot.write(state.after(probe(HARD_VALUES[name]), 2))
    written = await hot.read_section(state.case_id, MAIN, ProbeSection)
    await hot.merge(state.case_id, MAIN, [(other(HARD_VALUES[name]), 3)])
    merged = await hot.read_section(state.case_id, MAIN, OtherProbeSection)

    assert written
    assert merged
    assert written.model_dump_json() == ProbeSection(content=HARD_VALUES[name]).model_dump_json()
    assert (
        merged.model_dump_json() == OtherProbeSection(content=HARD_VALUES[name]).model_dump_json()
    )


async def test_a_section_is_read_without_the_rest_also_where_the_rest_is_damaged(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state.after(probe(1), 2))
    await redis.hset(key(state), "section:other_probe", "{")
    await redis.hdel(key(state), "v:step:open")

    assert await hot.read(state.case_id, MAIN) is None
    assert await hot.read_section(state.case_id, MAIN, ProbeSection) == ProbeSection(content=1)


async def test_a_section_that_is_not_there_or_not_readable_reads_as_none(
    hot: RedisHotStore, redis: Redis, state: CaseState, caplog: pytest.LogCaptureFixture
) -> None:
    assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None
    await hot.write(state)
    assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None
    assert not caplog.records

    with caplog.at_level(logging.DEBUG, logger="stores"):
        for body in ("", "{", '["private words"]', b"\xff"):
            await redis.hset(key(state), "section:probe", body)
            assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None
    assert len(caplog.records) == 4
    assert "private" not in caplog.text

    await redis.set(key(state), "another type")
    assert await hot.read_section(state.case_id, MAIN, ProbeSection) is None


async def test_the_newest_checkpoint_is_known_without_the_case(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    assert await hot.latest_checkpoint(state.case_id, MAIN) is None
    await hot.write(state)
    assert await hot.latest_checkpoint(state.case_id, MAIN) == "main.1"
    await hot.merge(state.case_id, MAIN, later_steps(state))
    assert await hot.latest_checkpoint(state.case_id, MAIN) == "main.5"
    assert await hot.latest_checkpoint(state.case_id, "what-if") is None

    await redis.hset(key(state), "version", "two")
    assert await hot.latest_checkpoint(state.case_id, MAIN) is None


async def test_a_dropped_copy_is_gone_and_an_older_one_may_take_its_place(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(reduced(state))
    await hot.drop(state.case_id, MAIN)

    assert await redis.exists(key(state)) == 0
    assert await hot.read(state.case_id, MAIN) is None
    assert await hot.write(state)
    assert await hot.read(state.case_id, MAIN) == state


@pytest.mark.parametrize("first", ["written", "merged"])
async def test_a_forged_step_that_passed_the_code_is_refused_by_the_copy(
    hot: RedisHotStore, redis: Redis, state: CaseState, first: str
) -> None:
    if first == "written":
        await hot.write(state.after(probe("true"), 2))
    else:
        await hot.write(state)
        await hot.merge(state.case_id, MAIN, [(probe("true"), 2)])
    assert await redis.hget(key(state), "o:probe") == b"prober"
    before = await redis.hgetall(key(state))

    with pytest.raises(ForeignWrite) as refused:
        await hot.merge(state.case_id, MAIN, [(_forged(), 3)])

    assert str(refused.value) == "thief may not write section probe: it belongs to prober."
    assert await redis.hgetall(key(state)) == before


async def test_a_foreign_write_takes_the_other_steps_of_its_call_with_it(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state.after(probe("true"), 2))
    before = await redis.hgetall(key(state))
    good = other("good").model_copy(update={"status": CaseStatus.ANSWERED})
    both = step("both:1", OtherProbeSection(content=1), owner="other_prober")
    both = both.model_copy(update={"sections": {**both.sections, "probe": ProbeSection()}})

    for updates in ([(good, 3), (_forged(), 4)], [(_forged(), 3), (good, 4)], [(both, 3)]):
        with pytest.raises(ForeignWrite):
            await hot.merge(state.case_id, MAIN, updates)
        assert await redis.hgetall(key(state)) == before

    assert await redis.ttl(key(state)) > 300


async def test_a_section_belongs_to_its_first_writer_within_one_call_too(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state)
    before = await redis.hgetall(key(state))

    with pytest.raises(ForeignWrite, match="thief may not"):
        await hot.merge(state.case_id, MAIN, [(probe("true"), 2), (_forged(), 3)])

    assert await redis.hgetall(key(state)) == before


async def test_a_section_that_nobody_wrote_yet_belongs_to_whom_its_type_names(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state)
    before = await redis.hgetall(key(state))
    stranger = probe("theft").model_copy(update={"owner": "thief"})

    with pytest.raises(ForeignWrite, match=r"thief may not .* belongs to prober"):
        await hot.merge(state.case_id, MAIN, [(stranger, 2)])

    assert await redis.hgetall(key(state)) == before
