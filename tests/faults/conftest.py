"""The lanes in which workers are killed: servers of their own, started once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, cast

import pytest

from runtime.embedded.stack import EmbeddedStack
from runtime.keys import CUSTOMER_KEY_FILE, ensure_keys
from runtime.servers import of_stack
from runtime.settings import Settings
from tests.faults.lanes import Ending, Lanes
from workflows.case_file import SEARCH_ATTRIBUTES

#: So many workers live, and die, at a time: most of the time a death only waits to be noticed.
_LANES = 8

Undisturbed = Callable[[str], Awaitable[Ending]]
#: How a play ends undisturbed, and how it did with a kill.
Endings = tuple[Ending, Ending]


@pytest.fixture(scope="session")
async def lanes(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lanes]:
    """Real servers; Temporal keeps its histories in memory, as nobody kills it here."""
    folder = tmp_path_factory.mktemp("lanes")
    with EmbeddedStack.start(
        folder / "home", search_attributes=SEARCH_ATTRIBUTES, temporal_in_memory=True
    ) as stack:
        keys = ensure_keys(folder / "home" / CUSTOMER_KEY_FILE)
        settings = Settings(home=folder / "home")
        servers = of_stack(settings, stack.addresses, customer_keys=keys)
        async with aclosing(Lanes(servers, folder, _LANES)) as opened:
            yield opened


@pytest.fixture(scope="session")
async def undisturbed(lanes: Lanes) -> Undisturbed:
    """How a play ends when nobody is killed: played once for all tests."""
    begun: dict[str, asyncio.Task[Ending]] = {}

    def ending(name: str) -> Awaitable[Ending]:
        # 👉 Begun at once, before what it is compared with: that would wait for it to the last.
        if name not in begun:
            begun[name] = asyncio.create_task(lanes.play(name))
        return asyncio.shield(begun[name])

    return ending


@pytest.fixture(scope="module")
async def endings(
    request: pytest.FixtureRequest, lanes: Lanes, undisturbed: Undisturbed
) -> AsyncGenerator[Mapping[object, Awaitable[Endings]]]:
    """The kills of the tests that are to run, by their parameter: they go on beside each other."""
    module = cast("Any", request).module
    kill: Callable[[Lanes, Undisturbed, object], Awaitable[Endings]] = module.kill
    wanted = [
        item.callspec.params["fatal"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is module and hasattr(item, "callspec")
    ]
    tasks = {fatal: asyncio.ensure_future(kill(lanes, undisturbed, fatal)) for fatal in wanted}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
