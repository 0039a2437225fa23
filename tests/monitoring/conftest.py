"""Servers of the monitoring's own: its cases go wrong in every way that an alert knows."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from cases.approvals import Verdict
from cases.reconciliation import ReconcileTask
from gateways.sandbox import clock
from starters.session import CaseHandle, Session
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.gateways.llm_server import GOOD, ModelServer, fails, says
from tests.reconciliation import conftest as own
from tests.scraped import Scraped, scrape
from tests.workers.process import WorkerProcess, worker_process
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.support import (
    BILLING,
    NOT_RECOGNISED,
    decided,
    events_of,
    eventually,
    finish,
    parked,
    scheduled,
)
from workers.main import TASK_QUEUE
from workflows.reconcile import ReconcileWorkflow

home, stack, settings, servers = own.home, own.stack, own.settings, own.servers
stores, owner, client, gateways = own.stores, own.owner, own.client, own.gateways
session, run_worker = own.session, own.run_worker


@pytest.fixture(scope="module")
async def scraped(
    home: Path, session: Session, owner: Pool, run_worker: WorkerFactory
) -> AsyncIterator[Scraped]:
    """What a real worker exposes that has met everything an alert is about."""
    stuck = await _begun_by_a_worker_that_was_changed_the_wrong_way(session, run_worker)
    async with _worker_with_a_model(home) as worker:
        for name in ("calm", "drop", "pending"):
            await finish(await _case(session, name, 4999))
        await finish(await _case(session, "not_ours", 4999, NOT_RECOGNISED))
        asked = SmallWorld(session, "asked")
        handle = await _case(session, "asked", 120_000)
        await parked(handle)
        await decided(asked, Verdict.APPROVED)
        await finish(handle)
        await clock.advance(session.stores.sandbox, timedelta(hours=2))  # what was pending is paid
        await _compared(session, owner, "ch_calm_2")

        async def all_met() -> Scraped | None:
            found = await scrape(worker.metrics)
            met = found.total("temporal_workflow_task_execution_failed_total")
            counted = found.total("casekeeper_tasks_open", kind="difference")
            return found if met and counted else None

        yield await eventually(all_met, within=60)
        await stuck.terminate()


@asynccontextmanager
async def _worker_with_a_model(home: Path) -> AsyncGenerator[WorkerProcess]:
    """Its model does not answer at first, and then always in the same way."""
    async with ModelServer.run() as provider:
        provider.script += [fails(503), says(GOOD)]
        provider.otherwise = fails(503)
        model = {
            "CASEKEEPER_MODEL": "openai-compatible:gpt-4o-mini",
            "CASEKEEPER_MODEL_URL": provider.url,
            "CASEKEEPER_MODEL_KEY": "sk-canary",
        }
        async with worker_process(home, **model) as worker:
            yield worker


async def _case(session: Session, name: str, amount_minor: int, text: str = BILLING) -> CaseHandle:
    world = SmallWorld(session, name)
    await world.twins(amount_minor)
    return await world.start(text)


async def _begun_by_a_worker_that_was_changed_the_wrong_way(
    session: Session, run_worker: WorkerFactory
) -> CaseHandle:
    async with run_worker(workflows=[ReorderedWorkflow], no_remote_activities=True):
        handle = await _case(session, "reordered", 4999)

        async def begun() -> list[str]:
            return scheduled(await events_of(handle))

        await eventually(begun)
    return handle


async def _compared(session: Session, owner: Pool, charge: str) -> None:
    """The provider's record of a refund is changed behind our back, and compared."""
    changed = await owner.execute(
        "UPDATE sandbox.refunds SET amount_minor = amount_minor - 1 WHERE charge_id = $1", charge
    )
    assert changed == "UPDATE 1"
    await session.temporal.execute_workflow(
        ReconcileWorkflow.run,
        ReconcileTask(compare_days=1),
        id="compared",
        task_queue=TASK_QUEUE,
    )
