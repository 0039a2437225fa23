"""Zombies: a worker is frozen inside an effect, another one finishes it, and the first wakes up."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from gateways.sandbox import clock
from gateways.sandbox.connection import Pool
from tests.conftest import WorkerFactory
from tests.once.conftest import Named
from tests.once.frozen import held_process
from tests.once.scenes import KINDS, all_end, begin, expected, tally_of
from workers.composition import Stores

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]

#: Before the call leaves, and after the outside has committed; then only the ledger has not.
MOMENTS = ("claimed", "performed")


@pytest.fixture
async def sandbox(stores: Stores) -> AsyncGenerator[Pool]:
    """The sandbox, whose clock is put right again."""
    yield stores.sandbox
    await stores.sandbox.execute("UPDATE sandbox.clock SET ahead = '0'")


@pytest.mark.parametrize("asleep", [timedelta(0), timedelta(hours=25)], ids=["soon", "next day"])
async def test_what_a_frozen_worker_does_when_it_wakes_up_changes_nothing(
    asleep: timedelta, named: Named, run_worker: WorkerFactory, home: Path, sandbox: Pool
) -> None:
    """The next day the provider has forgotten its keys: the late call is new to it."""
    scenes = [(kind, moment) for kind in KINDS for moment in MOMENTS]
    worlds = [named(f"{kind}-{moment}") for kind, moment in scenes]
    wanted = {
        f"case_{world.number}": (KINDS[kind], moment)
        for world, (kind, moment) in zip(worlds, scenes, strict=True)
    }
    # The frozen process runs no workflows: what it holds is the effects alone.
    async with (
        held_process(home, wanted, "--activities") as frozen,
        run_worker(no_remote_activities=True),
    ):
        begun = [begin(kind, world) for world, (kind, _) in zip(worlds, scenes, strict=True)]
        handles, _ = await asyncio.gather(asyncio.gather(*begun), frozen.until_held(wanted))
        frozen.signal(signal.SIGSTOP)
        async with run_worker(workflows=[]):
            await all_end(handles)
        before = await tally_of(worlds)
        states = [await world.state() for world in worlds]

        await clock.advance(sandbox, asleep)
        frozen.signal(signal.SIGCONT)
        await frozen.go()
        await frozen.until_it_says(*(f"settled {case_id} repeated=True" for case_id in wanted))

    assert before == expected([kind for kind, _ in scenes])
    assert await tally_of(worlds) == before
    assert [await world.state() for world in worlds] == states
