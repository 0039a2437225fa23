"""A worker is killed when its case's history has come to an event; for each event.

Events that are written together are one moment: a kill at the first of them is one at the last.
One alone: `pytest tests/faults/test_every_event.py -k event-17`.
"""

import asyncio
from collections.abc import Awaitable, Mapping

import pytest

from tests.faults.conftest import Endings, Undisturbed
from tests.faults.lanes import KILLED, Lanes, assert_same_end

#: They take minutes together, and each waits for others.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_PLAY = "approve"
#: More than the case has: docs/how-it-works.md promises at most 60, and 6 for one that is parked.
_MOST = 66
#: Fewer than it has, however its activities fall together.
_LEAST = 45


async def kill(lanes: Lanes, undisturbed: Undisturbed, fatal: int) -> Endings:
    return await asyncio.gather(undisturbed(_PLAY), lanes.play(_PLAY, fatal_event=fatal))


@pytest.mark.parametrize("fatal", range(1, _MOST + 1), ids="event-{}".format)
async def test_a_worker_killed_at_an_event_loses_nothing_and_does_nothing_twice(
    fatal: int, endings: Mapping[int, Awaitable[Endings]]
) -> None:
    calm, ending = await endings[fatal]
    code, last = ending.deaths[0]
    if code == 0 and fatal > _LEAST:
        pytest.skip(f"the case ended before it had {fatal} events")
    assert code == KILLED, f"never died at event {fatal}: {ending.complaints}"
    assert last.startswith("event "), f"it was killed otherwise, at {last}"
    assert_same_end(f"event {fatal}", calm, ending)
