"""The worker process: polls the task queue and runs cases until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Generator, Sequence
from contextlib import aclosing, contextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.heads import exporting
from workflows.deliver import DeliverWorkflow
from workflows.promote import PromoteWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.support_case import SupportCaseWorkflow
from workflows.unlock import UnlockAccountWorkflow

_log = logging.getLogger(__name__)

TASK_QUEUE = "support-cases"

#: Our own deterministic rooms and what their types are made of are not loaded anew for each case:
#: it halves what the sandbox costs. The workflow's own module must be, or nothing guards it: what a
#: passed module has imported, the sandbox does not see.
_PASSED_THROUGH = (
    "cases",
    "activities",
    "pydantic",
    "pydantic_core",
    "annotated_types",
)


def sandbox_runner() -> SandboxedWorkflowRunner:
    """The workflow sandbox with our deterministic modules passed through."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def build_worker(
    client: Client,
    activities: Sequence[Any],
    settings: Settings,
    **overrides: Any,
) -> Worker:
    """The worker of the support-cases queue."""
    options: dict[str, Any] = {
        "task_queue": TASK_QUEUE,
        "workflows": [
            SupportCaseWorkflow,
            DeliverWorkflow,
            PromoteWorkflow,
            ReconcileWorkflow,
            UnlockAccountWorkflow,
        ],
        "activities": activities,
        "workflow_runner": sandbox_runner(),
        "max_cached_workflows": settings.cached_cases,
        # One more: the delivery holds a slot for an hour at a time, with no connection.
        "max_concurrent_activities": settings.activity_slots + 1,
        "max_concurrent_local_activities": settings.activity_slots,
        "graceful_shutdown_timeout": timedelta(seconds=settings.grace_s),
        # A cancel reaches an activity with the answer to a heartbeat; by default some wait 8 s.
        "max_heartbeat_throttle_interval": timedelta(seconds=2),
    }
    with _uncollected():
        return Worker(client, **{**options, **overrides})


@contextmanager
def _uncollected() -> Generator[None]:
    """No garbage collection in the block, which loads every workflow into a sandbox of its own.

    A finalizer that imports something while an import takes its lock breaks that import in Python
    3.11 (KeyError of a thread's id: python/cpython issue 106176).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


async def run_worker(
    servers: Servers, settings: Settings, stop: asyncio.Event, ready: asyncio.Event | None = None
) -> None:
    """Run until `stop` is set, then let running activities finish within the grace period."""
    # What is loaded by now stays: looking through it again and again cost 20 ms of a large load.
    gc.collect()
    gc.freeze()
    client = await connect(servers)
    async with open_stores(servers, connections=settings.activity_slots) as stores:
        gateways = sandbox_gateways(stores, settings)
        activities = all_activities(stores, gateways)
        async with (
            aclosing(gateways),
            exporting(stores.audit, settings),
            build_worker(client, activities, settings),
        ):
            _log.info("worker is polling", extra={"task_queue": TASK_QUEUE})
            if ready:
                ready.set()
            await stop.wait()
            _log.info("worker is stopping", extra={"grace_s": settings.grace_s})
    _log.info("worker has stopped")


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM or Ctrl-C sets `stop`; a second one ends the process as signals do by default."""
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
