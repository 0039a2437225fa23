"""What encryption costs a case: no step more, and bytes within the budget. Printed for people."""

import dataclasses

import pytest

from runtime.servers import Servers
from runtime.temporal import connect
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BOTH, events_of, finish, scheduled
from tests.workflows.test_budgets import HISTORY_BYTES, HISTORY_EVENTS, cost


async def test_an_encrypted_case_asks_for_the_same_and_stays_within_its_budget(
    world: SmallWorld,
    run_worker: WorkerFactory,
    servers: Servers,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = await connect(servers.model_copy(update={"payload_keys": None}))
    session = dataclasses.replace(world.session, temporal=plain)
    open_world = SmallWorld(session, f"{world.number}o")
    await open_world.twins()
    async with run_worker(client=plain):
        opened = await open_world.start(BOTH)
        await finish(opened)
    await world.twins()
    async with run_worker():
        sealed = await world.start(BOTH)
        await finish(sealed)
    (_, plain_size), (events, size) = await cost(opened), await cost(sealed)

    with capsys.disabled():
        print(f"\nencrypted: {events} events, {size} bytes; in clear {plain_size}")  # noqa: T201
    # How many workflow tasks there are is a matter of timing; what they ask for is not.
    assert scheduled(await events_of(sealed)) == scheduled(await events_of(opened))
    assert events <= HISTORY_EVENTS
    assert size <= HISTORY_BYTES
