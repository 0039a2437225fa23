"""A worker is killed at each kill point; the next one brings the case to the same end.

One alone: `pytest tests/faults/test_kill_points.py -k after-payments.refund`.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from pathlib import Path

import pytest

from stores.postgres import Pool
from tests.faults.conftest import Endings, Undisturbed
from tests.faults.kill_points import (
    PLACES,
    POINTS,
    REDIS_WRITES,
    Point,
    volatile_functions,
)
from tests.faults.lanes import KILLED, Lanes, assert_same_end
from tests.faults.plays import PLAYS, play_of

#: They take minutes together, and each waits for others.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

#: The methods of the Redis client by which our stores only look.
_REDIS_READS = {"hget", "hgetall", "hmget", "ping", "pttl"}


async def kill(lanes: Lanes, undisturbed: Undisturbed, fatal: Point) -> Endings:
    play = play_of(fatal.where)
    return await asyncio.gather(undisturbed(play), lanes.play(play, fatal_point=str(fatal)))


@pytest.mark.parametrize("fatal", POINTS, ids=str)
async def test_a_worker_killed_at_a_point_loses_nothing_and_does_nothing_twice(
    fatal: Point, endings: Mapping[Point, Awaitable[Endings]]
) -> None:
    calm, ending = await endings[fatal]
    assert ending.deaths[0] == (KILLED, str(fatal)), f"never died at {fatal}: {ending.complaints}"
    assert_same_end(str(fatal), calm, ending)


def test_each_point_has_its_pair_and_each_play_its_points() -> None:
    assert {(point.where, point.when) for point in POINTS} == {
        (place, when) for place in PLACES for when in ("before", "after")
    }
    assert {place for play in PLAYS.values() for place in play.places} <= set(PLACES)


async def test_the_registry_knows_every_function_by_which_the_database_can_be_changed(
    owner: Pool,
) -> None:
    rows = await owner.fetch(
        "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND provolatile = 'v' AND prokind = 'f' AND prorettype <> 'trigger'::regtype"
    )
    assert {row["proname"] for row in rows} == volatile_functions()


def test_the_registry_knows_every_command_by_which_redis_is_changed() -> None:
    called = {
        name
        for file in (Path(__file__).parents[2] / "stores").glob("*.py")
        for name in re.findall(r"\b_?redis\.(\w+)\(", file.read_text("utf-8"))
    }
    known = {"delete": "DEL", "set": "SET"}
    writes = called - _REDIS_READS - {"register_script", "from_url", "aclose"}
    assert writes == set(known)
    assert set(REDIS_WRITES) == set(known.values())
