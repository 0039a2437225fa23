"""What a case costs, counted on the real servers and printed. The budgets are promises."""

import dataclasses
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cases.approvals import Verdict
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BILLING, BOTH, SlowModel, decided, finish, parked, status_is
from workers.composition import Gateways, Stores

HISTORY_EVENTS = 60
HISTORY_BYTES = 24 * 1024
POSTGRES_TRANSACTIONS = 14
REDIS_ROUND_TRIPS = 12
MODEL_CALLS = 2
APPROVAL_EVENTS = 6


@dataclass
class Bill:
    """What was asked of the servers during a block."""

    statements: list[str] = field(default_factory=list[str])
    commands: list[str] = field(default_factory=list[str])


@contextmanager
def counting(stores: Stores, connections: list[Any]) -> Generator[Bill]:
    """Count statements on those connections (each is a transaction) and Redis round trips."""
    bill = Bill()

    def on_query(record: Any) -> None:
        # What asyncpg asks once in a connection's life is not the case's.
        if "typeinfo" not in record.query and "'jit'" not in record.query:
            bill.statements.append(" ".join(record.query.split())[:60])

    execute = cast("Callable[..., Awaitable[Any]]", stores.redis.execute_command)  # pyright: ignore[reportUnknownMemberType]

    async def counted(*args: Any, **options: Any) -> Any:
        bill.commands.append(str(args[0]))
        return await execute(*args, **options)

    with ExitStack() as stack:
        for connection in connections:
            connection.add_query_logger(on_query)
            stack.callback(connection.remove_query_logger, on_query)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(stores.redis, "execute_command", counted)
        yield bill


async def all_connections(stores: Stores) -> list[Any]:
    """The pool's connections themselves, all of them opened."""
    held = [await stores.pool.acquire() for _ in range(stores.pool.get_max_size())]
    inner = "_con"  # the proxy ends on release, the connection does not
    found: list[Any] = [getattr(proxy, inner) for proxy in held]
    for proxy in held:
        await stores.pool.release(proxy)
    return found


async def cost(handle: Any) -> tuple[int, int]:
    """Events and bytes of a closed run's history."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return info.history_length, info.history_size_bytes


async def test_case_8842_stays_within_its_budget(
    world: SmallWorld,
    stores: Stores,
    gateways: Gateways,
    run_worker: WorkerFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await world.twins(4999)
    first = SmallWorld(world.session, f"{world.number}first")
    await first.twins(4999)
    model = SlowModel()
    connections = await all_connections(stores)
    async with run_worker(gateways=dataclasses.replace(gateways, model=model)):
        await finish(await first.start(BOTH))  # connections and scripts are warm after it
        model.understood.clear()
        model.written = 0
        with counting(stores, connections) as bill:
            handle = await world.start(BOTH)
            assert await finish(handle) == "answered"
    events, size = await cost(handle)

    with capsys.disabled():
        print(  # noqa: T201  the figures are for people
            f"\ncase_8842: {events} events of {HISTORY_EVENTS}, {size} bytes of {HISTORY_BYTES}, "
            f"{len(bill.statements)} transactions of {POSTGRES_TRANSACTIONS}, "
            f"{len(bill.commands)} Redis round trips of {REDIS_ROUND_TRIPS}, "
            f"{model.calls} model calls of {MODEL_CALLS}"
        )
    assert events <= HISTORY_EVENTS
    assert size <= HISTORY_BYTES
    assert 8 <= len(bill.statements) <= POSTGRES_TRANSACTIONS, bill.statements
    assert 8 <= len(bill.commands) <= REDIS_ROUND_TRIPS, bill.commands
    assert model.calls <= MODEL_CALLS


async def test_a_long_message_does_not_lengthen_the_history(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    long = f"{BOTH} {'Please help. ' * 1600}"
    other = SmallWorld(world.session, f"{world.number}s")
    await other.twins(4999)
    async with run_worker():
        short_run = await other.start(BOTH)
        await finish(short_run)
        long_run = await world.start(long)
        await finish(long_run)
    (_, short_size), (_, long_size) = await cost(short_run), await cost(long_run)

    assert len(long) > 20_000
    assert abs(long_size - short_size) < 0.05 * short_size


async def test_a_persons_approval_adds_at_most_six_events(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000, description="The big one")
    async with run_worker():
        approved = await world.start(BILLING)
        await parked(approved)
        await decided(world, Verdict.APPROVED)
        assert await finish(approved) == "answered"

        small = SmallWorld(world.session, f"{world.number}s")
        await small.twins(4999)
        paid_at_once = await small.start(BILLING)
        assert await finish(paid_at_once) == "answered"
    (with_approval, _), (without, _) = await cost(approved), await cost(paid_at_once)

    assert with_approval - without <= APPROVAL_EVENTS


async def test_a_follow_up_costs_one_model_call(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    model = SlowModel()
    async with run_worker(gateways=dataclasses.replace(gateways, model=model)):
        handle = await world.start(BILLING)
        await parked(handle)
        await handle.signal("customer_said", {"text": "And I can't log in any more."})
        await status_is(handle, "investigating")
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert model.calls == MODEL_CALLS + 1
