"""Forks while the main line is in the middle of its refund, and its worker is killed."""

import asyncio
from pathlib import Path

import pytest

from starters.session import CaseHandle
from tests.branches.lines import EDITS, branch_off, edits, modes, outside
from tests.conftest import WorkerFactory
from tests.once.conftest import Named, named, soon
from tests.once.frozen import held_process
from tests.once.scenes import all_end, begin, tally_of
from tests.workflows.test_replay import replayer

__all__ = ["named", "soon"]

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]

#: 49.99 needs nobody, and 1,200.00 was approved.
_SCENES = ("refund", "approved")
#: The outside has not heard of it yet, and has carried it out; the record knows neither.
_MOMENTS = ("claimed", "performed")


async def test_forks_while_the_refund_is_claimed_and_the_worker_is_killed_pay_nothing(
    named: Named, run_worker: WorkerFactory, home: Path
) -> None:
    worlds = {(k, m): named(f"{k}-{m}") for k in _SCENES for m in _MOMENTS}
    wanted = {f"case_{world.number}": ("refund", m) for (_, m), world in worlds.items()}
    async with held_process(home, wanted) as dying:
        begun = [begin(kind, world) for (kind, _), world in worlds.items()]
        mains, _ = await asyncio.gather(asyncio.gather(*begun), dying.until_held(wanted))
        forks: list[tuple[str, CaseHandle]] = []
        for world in worlds.values():
            for version in range(1, (await world.state()).version + 1):
                state = await world.session.stores.cases.load(
                    f"case_{world.number}", "main", at=version
                )
                forks += [await branch_off(world, version, edits(what, state)) for what in EDITS]
        await dying.kill()

    handles = [handle for _, handle in forks]
    async with run_worker():
        await all_end([*mains, *handles])
    assert (await tally_of(list(worlds.values()))) == (4, 4, 4)
    for handle in (*mains, *handles):
        await replayer().replay_workflow(await handle.fetch_history())
    for world in worlds.values():
        assert len((await outside(world)).refunds) == 1
        # Who wants just what the main line was in the middle of gets its receipt.
        assert (await modes(world, "b1"))["refund"] == "adopted"
