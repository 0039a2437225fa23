"""Nothing in Redis is needed: whatever happens to it at any step, the record becomes the same."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from temporalio.client import Client

from activities.record import CaseRecord
from cases.ports import HotStore
from starters.session import Session
from stores.redis import connect_redis
from tests.conftest import SmallWorld
from tests.workflows.redis_faults import FAULTS, Fault, HotByCase, OwnValkey, StruckHot
from tests.workflows.scenes import Left, Scene, approved, left_by, only_the_stores_warned, refunded
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker


@dataclass(frozen=True)
class Stage:
    """Plays scenes side by side, each on a Redis of its own."""

    session: Session
    hot: HotByCase
    folder: Path
    numbers: Iterator[str]
    idle: list[OwnValkey] = field(default_factory=list[OwnValkey])

    async def play(self, scene: Scene, fault: Fault, step: str) -> tuple[Left, StruckHot]:
        number = next(self.numbers)
        world = SmallWorld(self.session, number)
        server = self.idle.pop() if self.idle else OwnValkey(self.folder / number)
        redis = connect_redis(server.url)
        hot = StruckHot(redis, server, fault, step, self.session.stores.cases)
        self.hot.of[f"case_{number}"] = hot
        try:
            await server.start()
            await server.tell("FLUSHALL")
            await scene(world)
        finally:
            await server.stop()
            self.idle.append(server)
            await redis.aclose()
        return await left_by(world), hot


@pytest.fixture(scope="module")
async def stage(
    session: Session, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    hot = HotByCase()
    record = CaseRecord(session.stores.cases, cast("HotStore", hot))
    stores = replace(session.stores, record=record)
    activities = all_activities(stores, sandbox_gateways(stores, session.settings))
    folder = tmp_path_factory.mktemp("redis")
    numbers = (f"{folder.name}-{place:04d}" for place in itertools.count())
    async with build_worker(client, activities, session.settings):
        yield Stage(replace(session, stores=stores), hot, folder, numbers)


@pytest.fixture(scope="module")
async def undisturbed(stage: Stage) -> dict[Scene, Left]:
    """What each scene leaves behind when Redis does its part."""
    left: dict[Scene, Left] = {}
    for scene in (refunded, approved):
        left[scene], hot = await stage.play(scene, Fault("nothing"), "answer")
        assert hot.struck
        assert not hot.spoiled
    return left


def _points(undisturbed: dict[Scene, Left]) -> list[tuple[Scene, str]]:
    """Every step of every scene, each kind of step once."""
    points = {step: scene for scene, left in undisturbed.items() for step in left.rows.steps}
    return [(scene, step) for step, scene in points.items()]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
async def test_what_happens_to_redis_at_a_step_changes_nothing_on_record(
    stage: Stage, undisturbed: dict[Scene, Left], fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    points = _points(undisturbed)
    with caplog.at_level(logging.INFO):
        played = await asyncio.gather(
            *(stage.play(scene, fault, step) for scene, step in points), return_exceptions=True
        )

    spoiled = 0
    for (scene, step), result in zip(points, played, strict=True):
        where = f"{fault.name} at {step}, {scene.__name__}"
        assert not isinstance(result, BaseException), f"{where}: {result!r}"
        left, hot = result
        assert hot.struck, where
        assert (where, left) == (where, undisturbed[scene])
        spoiled += hot.spoiled
    assert fault.passes or spoiled > len(points) // 2
    only_the_stores_warned(caplog)


async def test_the_undisturbed_cases_take_every_step_and_send_each_thing_once(
    undisturbed: dict[Scene, Left],
) -> None:
    steps = {step for _, step in _points(undisturbed)}
    expected = "open understanding:1 billing:1 account:1 policy:1 reset_mail refund:*:1 response:1"
    assert steps >= {*expected.split(), "answer", "message:more", "approval:*:approved"}
    assert [left.sent for left in undisturbed.values()] == [
        {"reset": 1, "answer": 1, "refund": 1}
    ] * 2
