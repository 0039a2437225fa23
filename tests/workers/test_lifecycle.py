"""A worker's process is told to end while it pays, and while a model thinks."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType

from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.gateways.llm_server import GOOD, ModelServer, Request, says
from tests.probes import ask
from tests.workers.process import worker_process
from tests.workflows.support import BILLING, Gate, Handle, events_of, eventually, finish, of_type

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TERM, INT = signal.SIGTERM, signal.SIGINT


@asynccontextmanager
async def refunds_held(owner: Pool, charges: list[str]) -> AsyncGenerator[None]:
    """The provider does not answer for the block: another transaction has these charges."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM sandbox.charges WHERE id = ANY ($1) FOR UPDATE", charges
        )
        yield


async def until_it_pays(owner: Pool) -> None:
    """Wait until a refund has reached the provider."""

    async def waits() -> bool:
        found = await owner.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE application_name = 'sandbox' AND wait_event_type = 'Lock')"
        )
        return bool(found)

    await eventually(waits)


async def attempts(handle: Handle) -> set[int]:
    started = of_type(await events_of(handle), EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    return {event.activity_task_started_event_attributes.attempt for event in started}


@pytest.mark.parametrize("number", [TERM, INT])
async def test_a_worker_that_is_told_to_stop_while_it_pays_finishes_that_and_ends_with_0(
    number: signal.Signals, world: SmallWorld, owner: Pool, home: Path, run_worker: WorkerFactory
) -> None:
    charges = await world.twins()
    async with worker_process(home) as worker:
        assert (await ask(worker.health, "/readyz"))[0] == 200
        async with refunds_held(owner, charges):
            handle = await world.start(BILLING)
            await until_it_pays(owner)
            worker.signal(number)
            assert await worker.runs_on()
            status, body = await ask(worker.health, "/readyz")
            assert (status, body["worker"]) == (503, "stopping")
            assert body["postgres"]["ok"]
            assert (await ask(worker.health, "/livez"))[0] == 200
        assert await worker.code() == 0
    assert len(await world.refunds()) == 1
    async with run_worker():
        assert await finish(handle) == "answered"

    assert await attempts(handle) == {1}
    assert len(await world.refunds()) == 1


async def test_a_worker_that_is_told_to_stop_while_a_model_thinks_waits_for_what_it_paid_for(
    world: SmallWorld, home: Path, run_worker: WorkerFactory
) -> None:
    await world.twins()
    gate = Gate()

    async def thinks(request: Request, writer: asyncio.StreamWriter) -> None:
        await gate.pass_through()
        await says(GOOD)(request, writer)

    async with ModelServer.run() as provider:
        provider.script.append(thinks)
        model = {
            "CASEKEEPER_MODEL": "openai-compatible:gpt-4o-mini",
            "CASEKEEPER_MODEL_URL": provider.url,
            "CASEKEEPER_MODEL_KEY": "sk-canary",
        }
        async with worker_process(home, **model) as worker:
            handle = await world.start(BILLING)
            await gate.until_reached()
            worker.signal(TERM)
            assert await worker.runs_on()
            gate.open.set()
            assert await worker.code() == 0
    async with run_worker():
        assert await finish(handle) == "answered"

    assert await attempts(handle) == {1}
    calls = await world.session.stores.pool.fetch(
        "SELECT ended_as FROM model_calls WHERE case_id = $1", f"case_{world.number}"
    )
    assert [row["ended_as"] for row in calls] == ["answered"]
    assert len(provider.requests) == 1


@pytest.mark.parametrize("signals", [(TERM, TERM), (TERM, INT)])
async def test_a_second_signal_ends_a_worker_at_once_and_the_next_one_pays_no_second_time(
    signals: tuple[signal.Signals, signal.Signals],
    world: SmallWorld,
    owner: Pool,
    home: Path,
    run_worker: WorkerFactory,
) -> None:
    charges = await world.twins()
    first, second = signals
    async with worker_process(home) as worker, refunds_held(owner, charges):
        handle = await world.start(BILLING)
        await until_it_pays(owner)
        worker.signal(first)
        assert await worker.runs_on()
        worker.signal(second)
        assert await worker.code(within=2) == -second
    async with run_worker():
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1
