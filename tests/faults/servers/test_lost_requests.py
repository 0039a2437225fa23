"""Each request that a case makes of Postgres is lost once: before its commit, and after it."""

import asyncio

import pytest

from starters.session import Session
from tests.conftest import SmallWorld
from tests.faults.checked import checked_tally
from tests.faults.servers.losses import OneOfEachCase, ToLose
from tests.faults.servers.own import OwnServers, relays_to, session_of
from tests.faults.servers.relay import Loss
from tests.once.invariants import Tally
from tests.once.scenes import PATIENCE_S
from tests.workflows.support import BOTH
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker

pytestmark = pytest.mark.timeout(240)

#: A case takes fourteen transactions of ours alone, and the outside has its own.
_LEAST = 18


async def _play(
    far: Session, near: Session, losses: OneOfEachCase, lost: dict[str, ToLose]
) -> None:
    """A case each, side by side on one worker; all that must hold, holds."""
    worlds = [SmallWorld(near, number) for number in lost]
    for world in worlds:
        await world.twins()
    losses.by_case = {f"_{number}".encode(): loss for number, loss in lost.items()}
    activities = all_activities(far.stores, sandbox_gateways(far.stores, far.settings))
    async with build_worker(far.temporal, activities, far.settings):
        handles = [await world.start(BOTH) for world in worlds]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(handle.result() for handle in handles))
    count = len(worlds)
    assert await checked_tally(worlds) == Tally(refunds=count, resets=count, answers=count)


async def test_whichever_request_is_lost_before_or_after_its_commit_nothing_happens_twice(
    own: OwnServers, number: str
) -> None:
    losses = OneOfEachCase()
    async with (
        relays_to(own, losses) as relays,
        session_of(own.through(relays), own.settings, connections=30) as far,
        session_of(own.direct, own.settings, connections=10) as near,
    ):
        calm = ToLose(0, Loss.NOTHING)
        await _play(far, near, losses, {f"{number}-calm_": calm})
        assert calm.seen > _LEAST

        lost = {
            f"{number}-{loss.name}-{place}_": ToLose(place, loss)
            for loss in (Loss.REQUEST, Loss.ANSWER)
            for place in range(1, calm.seen + 1)
        }
        await _play(far, near, losses, lost)
        assert [name for name, one in lost.items() if not one.made] == []
