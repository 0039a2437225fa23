"""The answer of a claim, of the outside and of a settlement is lost, or the request before it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from temporalio.client import Client

from cases.ids import answer_key, refund_key, reset_key, revoke_key
from runtime.servers import Servers
from runtime.settings import Settings
from tests.conftest import SmallWorld
from tests.once.conftest import Named
from tests.once.relay import Cut, Relay, relayed
from tests.once.scenes import KINDS, all_end, begin, expected, tally_of
from workers.composition import Stores, all_activities, open_stores, sandbox_gateways
from workers.main import build_worker

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]

CALLS = ("claim", "perform", "settle")


class Far(NamedTuple):
    """Stores behind a relay."""

    stores: Stores
    relay: Relay


@pytest.fixture
async def far(servers: Servers) -> AsyncGenerator[Far]:
    address = urlsplit(servers.database_url)
    assert address.port
    async with relayed(address.port) as (relay, port):
        through = [
            dsn.replace(f":{address.port}/", f":{port}/")
            for dsn in (servers.database_url, servers.sandbox_database_url)
        ]
        update = {"database_url": through[0], "sandbox_database_url": through[1]}
        async with open_stores(servers.model_copy(update=update), connections=20) as stores:
            yield Far(stores, relay)


def _cut(world: SmallWorld, kind: str, call: str, *, answer: bool) -> Cut:
    key = {
        "refund": refund_key("sandbox", f"ch_{world.number}_1", 1),
        "approved": refund_key("sandbox", f"ch_{world.number}_1", 1),
        "reset": reset_key(world.customer_id, f"case_{world.number}"),
        "revoked": revoke_key(world.customer_id, f"case_{world.number}"),
        "answer": answer_key(f"case_{world.number}"),
    }[kind].encode()
    marks = {
        # The intent of an answer is sealed: only its kind stands in clear, after the key.
        "claim": [key + (rb"\x00\x00\x00\x06answer" if kind == "answer" else b".*limit_days")],
        "perform": [b"ml_" + key[4:28] + b".*" + key],
        "settle": [key + b".*succeeded"],
    }[call]
    if call == "perform" and kind in ("refund", "approved"):
        marks = [key, b"COMMIT"]
    if call == "perform" and kind == "revoked":
        marks = [rb"\A(?!.*limit_days).*" + key + b".*reset_revoked"]
    return Cut(marks, answer)


async def test_a_connection_that_is_cut_at_any_call_of_any_effect_makes_nothing_happen_twice(
    named: Named, far: Far, client: Client, settings: Settings
) -> None:
    scenes = [(kind, call, lost) for kind in KINDS for call in CALLS for lost in (False, True)]
    worlds = [named(f"{kind}-{call}-{lost}") for kind, call, lost in scenes]
    far.relay.cuts = [
        _cut(world, kind, call, answer=lost)
        for world, (kind, call, lost) in zip(worlds, scenes, strict=True)
    ]
    activities = all_activities(far.stores, sandbox_gateways(far.stores, settings))
    async with build_worker(client, activities, settings):
        begun = [begin(kind, world) for world, (kind, *_) in zip(worlds, scenes, strict=True)]
        await all_end(await asyncio.gather(*begun))

    assert [cut.made for cut in far.relay.cuts] == [True] * len(scenes)
    assert await tally_of(worlds) == expected([kind for kind, *_ in scenes])
