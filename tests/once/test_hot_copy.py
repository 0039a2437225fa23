"""The hot copy is flushed, or replaced by an old one, while effects are on their way."""

import asyncio
from typing import Any

import pytest

from stores.redis import case_key
from tests.once.conftest import Named, RunHeld
from tests.once.held import MOMENTS, Hold, until_held
from tests.once.scenes import KINDS, all_end, begin, expected, tally_of
from tests.stores.support import tell
from workers.composition import Stores

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]


class Copies:
    """The hot copies of cases as they lie in Valkey."""

    def __init__(self, stores: Stores, cases: list[str]) -> None:
        self._redis = stores.redis
        self._keys = [case_key(case_id, "main") for case_id in cases]
        self._kept: dict[str, Any] = {}

    async def keep_once_there(self) -> None:
        """Remember each case's first copy, or one that was made soon after."""
        while missing := [key for key in self._keys if key not in self._kept]:
            for key in missing:
                if found := await tell(self._redis, "DUMP", key):
                    self._kept[key] = found
            await asyncio.sleep(0.01)

    async def flush(self) -> None:
        await tell(self._redis, "FLUSHALL")

    async def bring_back(self) -> None:
        """What was kept, and nothing of what came since."""
        await self.flush()
        for key, value in self._kept.items():
            await tell(self._redis, "RESTORE", key, 0, value)


@pytest.mark.parametrize("old", [False, True], ids=["flushed", "an old copy"])
async def test_a_hot_copy_that_is_lost_while_effects_are_on_their_way_does_nothing_twice(
    old: bool, named: Named, stores: Stores, run_held: RunHeld
) -> None:
    scenes = [(kind, moment) for kind in KINDS for moment in MOMENTS]
    worlds = [named(f"{kind}-{moment}") for kind, moment in scenes]
    cases = [f"case_{world.number}" for world in worlds]
    wanted = {
        case_id: (KINDS[kind], moment)
        for case_id, (kind, moment) in zip(cases, scenes, strict=True)
    }
    hold, copies = Hold(wanted), Copies(stores, cases)
    async with run_held(hold):
        begun = [begin(kind, world) for world, (kind, _) in zip(worlds, scenes, strict=True)]
        early = asyncio.create_task(copies.keep_once_there())
        handles = await asyncio.gather(*begun)
        await until_held(hold)
        await early
        await (copies.bring_back() if old else copies.flush())
        hold.let_go()
        await all_end(handles)

    assert await tally_of(worlds) == expected([kind for kind, _ in scenes])
