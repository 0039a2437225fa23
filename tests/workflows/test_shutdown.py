"""A worker is asked to stop while it pays: what it is doing is finished, and not begun again."""

import asyncio
import dataclasses

from temporalio.api.enums.v1 import EventType

from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BILLING, Gate, SlowPayments, events_of, finish, of_type
from workers.composition import Gateways, Stores


async def test_a_stopping_worker_finishes_its_refund_and_spends_no_attempt(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    gate = Gate()
    slow = dataclasses.replace(gateways, payments=SlowPayments(stores, refund=gate))
    async with run_worker(gateways=slow) as worker:
        handle = await world.start(BILLING)
        await gate.until_reached()
        stopping = asyncio.create_task(worker.shutdown())
        await asyncio.wait({stopping}, timeout=0.3)
        assert not stopping.done()
        gate.open.set()
        await stopping
    assert len(await world.refunds()) == 1
    async with run_worker():
        assert await finish(handle) == "answered"

    started = of_type(await events_of(handle), EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    assert {event.activity_task_started_event_attributes.attempt for event in started} == {1}
    assert len(await world.refunds()) == 1
