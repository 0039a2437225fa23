"""A worker is killed at every moment of every kind of effect; the next one does what is left."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import WorkerFactory
from tests.once.conftest import Named
from tests.once.frozen import held_process
from tests.once.held import MOMENTS
from tests.once.scenes import KINDS, all_end, begin, expected, tally_of

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]


async def test_a_worker_killed_at_any_moment_of_any_effect_does_nothing_twice(
    named: Named, run_worker: WorkerFactory, home: Path
) -> None:
    scenes = [(kind, moment) for kind in KINDS for moment in MOMENTS]
    worlds = [named(f"{kind}-{moment}") for kind, moment in scenes]
    wanted = {
        f"case_{world.number}": (KINDS[kind], moment)
        for world, (kind, moment) in zip(worlds, scenes, strict=True)
    }
    async with held_process(home, wanted) as dying:
        begun = [begin(kind, world) for world, (kind, _) in zip(worlds, scenes, strict=True)]
        handles, _ = await asyncio.gather(asyncio.gather(*begun), dying.until_held(wanted))
        await dying.kill()

    async with run_worker():
        await all_end(handles)
    assert await tally_of(worlds) == expected([kind for kind, _ in scenes])
