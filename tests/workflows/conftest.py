"""Two ways to run the story: as in production, and with every task replayed, strictly."""

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import SandboxImportNotificationPolicy

from runtime.settings import Settings
from tests.conftest import WorkerFactory
from workers.composition import Gateways, Stores, all_activities
from workers.main import build_worker, sandbox_runner

#: For a test module's `pytestmark`: each of its tests runs in both ways.
BOTH_WAYS = pytest.mark.parametrize("run_worker", ["cached", "replayed"], indirect=True)


def strict_runner() -> SandboxedWorkflowRunner:
    """The production sandbox, where a module that slips through by chance is an error."""
    runner = sandbox_runner()
    policy = SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    restrictions = runner.restrictions.with_import_notification_policy(policy)
    return dataclasses.replace(runner, restrictions=restrictions)


@pytest.fixture
def run_worker(
    request: pytest.FixtureRequest,
    client: Client,
    stores: Stores,
    gateways: Gateways,
    settings: Settings,
) -> WorkerFactory:
    """As the session's, for the block; "replayed" keeps no case in memory."""
    mode: dict[str, Any] = {}
    if getattr(request, "param", "cached") == "replayed":
        mode = {"max_cached_workflows": 0, "workflow_runner": strict_runner()}

    @asynccontextmanager
    async def run(**options: Any) -> AsyncGenerator[Worker]:
        activities = all_activities(stores, options.pop("gateways", gateways))
        chosen = options.pop("client", client)
        used = options.pop("settings", settings)
        async with build_worker(chosen, activities, used, **{**mode, **options}) as worker:
            yield worker

    return run
