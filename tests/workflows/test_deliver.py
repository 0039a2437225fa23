"""A decision whose signal was lost still reaches its case, and approvers hear of requests once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from cases.approvals import Verdict
from runtime.settings import Settings
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.outbox import age, forget_others
from tests.workflows.support import (
    BILLING,
    Handle,
    decided,
    events_of,
    eventually,
    finish,
    never_stuck,
    of_type,
    parked,
    row_decided_without_signal,
)
from workers.main import TASK_QUEUE, sandbox_runner
from workflows.deliver import DeliverWorkflow, Delivery

SCRIPT = Path(__file__).with_name("dying_deliverer.py")


@pytest.fixture(autouse=True)
async def _own_outbox(owner: Pool) -> None:
    await forget_others(owner)


@asynccontextmanager
async def delivering(
    world: SmallWorld, name: str = "", lasting: float = 60
) -> AsyncGenerator[WorkflowHandle[DeliverWorkflow, int]]:
    """A run of the delivery that looks often; it is gone after the block."""
    handle = await world.session.temporal.start_workflow(
        DeliverWorkflow.run,
        Delivery(lasting=timedelta(seconds=lasting), every=timedelta(seconds=0.1)),
        id=f"deliver-{world.number}{name}",
        task_queue=TASK_QUEUE,
    )
    try:
        yield handle
    finally:
        if (await handle.describe()).close_time is None:
            await handle.terminate()


async def waits_for_a_person(world: SmallWorld) -> Handle:
    await world.twins(120_000)
    handle = await world.start(BILLING)
    await parked(handle)
    return handle


async def notices(world: SmallWorld) -> list[str]:
    rows = await world.session.stores.sandbox.fetch(
        "SELECT body FROM sandbox.mails WHERE case_id = $1 AND kind = 'notice'",
        f"case_{world.number}",
    )
    return [row["body"] for row in rows]


async def untold(owner: Pool) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM outbox WHERE delivered_at IS NULL"))


async def untold_decisions(owner: Pool) -> int:
    rows = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND kind = 'decision'"
    return int(await owner.fetchval(rows))


async def all_told(owner: Pool) -> None:
    async def nothing_left() -> bool:
        return await untold(owner) == 0

    await eventually(nothing_left)


@pytest.mark.parametrize(
    ("verdict", "end"), [(Verdict.APPROVED, "answered"), (Verdict.DENIED, "rejected")]
)
async def test_a_decision_whose_signal_was_lost_reaches_its_case(
    world: SmallWorld,
    run_worker: WorkerFactory,
    owner: Pool,
    verdict: Verdict,
    end: str,
) -> None:
    async with run_worker():
        handle = await waits_for_a_person(world)
        await row_decided_without_signal(world, verdict)
        await age(owner, handle.id)
        async with delivering(world):
            assert await finish(handle) == end
            await all_told(owner)

    assert len(await world.refunds()) == (verdict is Verdict.APPROVED)
    received = of_type(await events_of(handle), EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
    assert len(received) == 1


async def test_a_decision_that_its_maker_told_is_not_told_again(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool
) -> None:
    async with run_worker():
        handle = await waits_for_a_person(world)
        await decided(world, Verdict.DENIED)
        assert await untold_decisions(owner) == 0
        await finish(handle)


async def test_the_delivery_takes_no_slot_from_the_cases(
    world: SmallWorld, run_worker: WorkerFactory, settings: Settings, owner: Pool
) -> None:
    one = settings.model_copy(update={"activity_slots": 1})
    async with run_worker(settings=one), delivering(world):
        handle = await waits_for_a_person(world)
        await row_decided_without_signal(world, Verdict.APPROVED)
        await age(owner, handle.id)
        assert await finish(handle) == "answered"


async def test_approvers_hear_of_a_request_and_its_reminder_once_each(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool
) -> None:
    async with run_worker(), delivering(world):
        handle = await waits_for_a_person(world)
        async with delivering(world, "-2"):
            await all_told(owner)
            await world.session.stores.approvals.remind(await parked(handle))
            await all_told(owner)
        await row_decided_without_signal(world, Verdict.DENIED)
        await age(owner, handle.id)
        await finish(handle)

    assert len(await notices(world)) == 2
    assert sum("still waits" in notice for notice in await notices(world)) == 1


@pytest.mark.parametrize("ending", ["terminated", "closed"])
async def test_a_case_without_a_run_is_not_told_and_the_delivery_goes_on(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool, ending: str
) -> None:
    async with run_worker():
        handle = await waits_for_a_person(world)
        await row_decided_without_signal(world, Verdict.DENIED)
        if ending == "terminated":
            await handle.terminate()
        else:
            await handle.signal("customer_said", {"text": "Thank you."})
            await handle.signal("cancel_case", {"reason": "test"})
            await finish(handle)
        await age(owner, handle.id)
        async with delivering(world) as delivery:
            await all_told(owner)
            assert (await delivery.describe()).close_time is None

    assert await notices(world) == []


async def test_a_worker_killed_after_it_sent_a_notice_does_not_make_it_two(
    world: SmallWorld,
    run_worker: WorkerFactory,
    owner: Pool,
    home: Path,
) -> None:
    async with run_worker():
        await waits_for_a_person(world)
    async with delivering(world) as delivery:
        environment = {**os.environ, "CASEKEEPER_HOME": str(home)}
        dying = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), env=environment, cwd=Path.cwd()
        )
        async with asyncio.timeout(60):
            assert await dying.wait() == -signal.SIGKILL
        assert (len(await notices(world)), await untold(owner)) == (1, 1)
        async with run_worker():
            await all_told(owner)
            never_stuck(await events_of(delivery))

    assert len(await notices(world)) == 1
    [effect] = [
        one
        for one in await world.session.stores.ledger.of_case(f"case_{world.number}", "main")
        if one.kind == "notice"
    ]
    assert (effect.state, effect.attempts) == ("succeeded", 2)


@pytest.mark.parametrize("grace_s", [0, 30])
async def test_a_stopping_worker_hands_the_delivery_on_at_once(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool, grace_s: int
) -> None:
    grace = timedelta(seconds=grace_s)
    async with run_worker(graceful_shutdown_timeout=grace) as first:
        handle = await waits_for_a_person(world)
        async with delivering(world) as delivery:
            await all_told(owner)
            async with asyncio.timeout(10):
                await first.shutdown()
            await row_decided_without_signal(world, Verdict.APPROVED)
            await age(owner, handle.id)
            async with run_worker():
                assert await finish(handle) == "answered"
            never_stuck(await events_of(delivery))
    assert len(await world.refunds()) == 1


async def test_a_run_ends_with_its_time_leaves_a_small_history_and_replays(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        await waits_for_a_person(world)
        async with delivering(world, lasting=1) as delivery:
            assert await delivery.result() == 1
    history = await delivery.fetch_history()

    replayer = Replayer(
        workflows=[DeliverWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=sandbox_runner(),
    )
    await replayer.replay_workflow(history)

    assert len(history.events) <= 12
    assert "cus_" not in str(history)


async def test_without_an_input_it_delivers_for_an_hour(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool
) -> None:
    async with run_worker():
        await waits_for_a_person(world)
        handle = await world.session.temporal.start_workflow(
            "Deliver", {}, id=f"deliver-{world.number}", task_queue=TASK_QUEUE
        )
        await all_told(owner)
        assert (await handle.describe()).close_time is None
        await handle.terminate()
