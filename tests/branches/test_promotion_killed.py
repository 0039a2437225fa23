"""A worker is killed in the middle of what a promotion pays; the next goes on and pays once."""

import asyncio
from pathlib import Path

import pytest

from cases.approvals import Verdict
from starters.approve import decide
from starters.promote import Handle, promote_branch
from tests.branches.lines import lived, outside
from tests.conftest import WorkerFactory
from tests.once.conftest import Named, named
from tests.once.frozen import held_process
from tests.workflows.promotions import chains_hold, forked, result_of

__all__ = ["named"]

pytestmark = pytest.mark.timeout(300)

#: The outside has not heard of it yet, and has carried it out; the record knows neither.
_MOMENTS = ("claimed", "performed")


async def test_a_worker_killed_while_a_promotion_pays_does_nothing_twice(
    named: Named, run_worker: WorkerFactory, home: Path
) -> None:
    worlds = {moment: named(moment) for moment in _MOMENTS}
    branches: dict[str, str] = {}
    async with run_worker():
        for moment, world in worlds.items():
            await lived("case_8842", world)
            await world.twins(count=1)
            branches[moment] = await forked(world, "understanding")
    wanted = {f"case_{world.number}": ("refund", moment) for moment, world in worlds.items()}
    async with held_process(home, wanted) as dying:
        handles: list[Handle] = []
        for moment, world in worlds.items():
            case_id = f"case_{world.number}"
            _, handle = await promote_branch(world.session, case_id, branches[moment])
            await decide(world.session, case_id, Verdict.APPROVED, by="lead")
            handles.append(handle)
        await dying.until_held(wanted)
        await dying.kill()

    async with run_worker():
        results = await asyncio.gather(*map(result_of, handles))
    assert {(result.state, result.status) for result in results} == {("promoted", "answered")}
    for moment, world in worlds.items():
        found = await outside(world)
        assert sorted(amount for _, amount in found.refunds) == [4999, 4999]
        assert len({charge for charge, _ in found.refunds}) == 2
        assert (found.resets, len(found.answers)) == (1, 1)
        await chains_hold(world.session, f"case_{world.number}", branches[moment])
