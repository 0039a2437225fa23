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
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from runtime.connection import taking_new_keys
from runtime.metrics import start_metrics
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from runtime.tracing import tracing_interceptors
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.heads import exporting
from workers.observing import observed
from workers.profile import refuse_unsafe
from workers.unversioned import UnversionedRunner
from workers.versioning import deployment_config
from workflows.deliver import DeliverWorkflow
from workflows.promote import PromoteWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.support_case import SupportCaseWorkflow
from workflows.unlock import UnlockAccountWorkflow

_log = logging.getLogger(__name__)

TASK_QUEUE = "support-cases"
WORKFLOWS = (
    SupportCaseWorkflow,
    DeliverWorkflow,
    PromoteWorkflow,
    ReconcileWorkflow,
    UnlockAccountWorkflow,
)

#: Our own deterministic rooms and what their types are made of are not loaded anew for each case:
#: it halves what the sandbox costs. The workflow's own module must be, or nothing guards it: what a
#: passed module has imported, the sandbox does not see.
_PASSED_THROUGH = (
    "cases",
    "activities",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "workers.unversioned",
)


def sandbox_runner(*, versioned: bool = False) -> SandboxedWorkflowRunner:
    """The workflow sandbox with our deterministic modules passed through."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    inner = UnsandboxedWorkflowRunner if versioned else UnversionedRunner
    return SandboxedWorkflowRunner(restrictions=restrictions, runner_class=inner)


def build_worker(
    client: Client,
    activities: Sequence[Any],
    settings: Settings,
    **overrides: Any,
) -> Worker:
    """The worker of the support-cases queue."""
    most = settings.pollers_max
    pollers = PollerBehaviorAutoscaling(minimum=2, maximum=most, initial=min(5, most))
    options: dict[str, Any] = {
        "task_queue": TASK_QUEUE,
        "workflows": WORKFLOWS,
        "deployment_config": deployment_config(settings.build_id),
        "activities": activities,
        "workflow_runner": sandbox_runner(versioned=bool(settings.build_id)),
        "max_cached_workflows": settings.cached_cases,
        # One more: the delivery holds a slot for an hour at a time, with no connection.
        "max_concurrent_activities": settings.activity_slots + 1,
        "max_concurrent_local_activities": settings.activity_slots,
        "workflow_task_poller_behavior": pollers,
        "activity_task_poller_behavior": pollers,
        "graceful_shutdown_timeout": timedelta(seconds=settings.grace_s),
        # A cancel reaches an activity with the answer to a heartbeat; by default some wait 8 s.
        "max_heartbeat_throttle_interval": timedelta(seconds=2),
    }
    with uncollected():
        return Worker(client, **{**options, **overrides})


@contextmanager
def uncollected() -> Generator[None]:
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
    await refuse_unsafe(settings, servers)
    # What is loaded by now stays: looking through it again and again cost 20 ms of a large load.
    gc.collect()
    gc.freeze()
    metrics = start_metrics(settings.metrics_address)
    traces = tracing_interceptors(settings.traces)
    client = await connect(servers, runtime=metrics, interceptors=traces)
    async with open_stores(servers, connections=settings.activity_slots) as stores:
        gateways = sandbox_gateways(stores, settings)
        activities = all_activities(stores, gateways)
        async with (
            aclosing(gateways),
            observed(client, servers, stores, settings, metrics) as health,
            exporting(stores.audit, settings),
            taking_new_keys(client, settings.temporal_api_key_file),
            build_worker(client, activities, settings),
        ):
            _log.info("worker is polling", extra={"task_queue": TASK_QUEUE})
            health.worker = "polling"
            if ready:
                ready.set()
            await stop.wait()
            health.worker = "stopping"
            _log.info("worker is stopping", extra={"grace_s": settings.grace_s})
    _log.info("worker has stopped")


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM or Ctrl-C sets `stop`; a second one ends the process as signals do by default."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def asked() -> None:
        stop.set()
        for number in numbers:  # the second may be the other one
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, asked)
