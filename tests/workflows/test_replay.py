"""Stored histories of every kind of case replay with the code of today."""

import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from cases.approvals import Verdict
from runtime.logs import set_up_logs
from tests.conftest import SmallWorld, WorkerFactory
from tests.histories.record import FOLDER, SCENES
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.support import BILLING, decided, events_of, eventually, finish, parked
from workers.main import sandbox_runner
from workflows.promote import PromoteWorkflow
from workflows.support_case import SupportCaseWorkflow

_HISTORIES = sorted(FOLDER.glob("*.json"))
_OF_CASES = [path for path in _HISTORIES if path.stem != "promoted"]


def replayer(workflow: type[SupportCaseWorkflow] = SupportCaseWorkflow) -> Replayer:
    """The production converter and sandbox, as the worker has them."""
    return Replayer(
        workflows=[workflow, PromoteWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=sandbox_runner(),
    )


def stored(path: Path) -> WorkflowHistory:
    """By its own id, which says of which case and branch it is."""
    text = path.read_text("utf-8")
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


def test_each_kind_of_case_has_a_stored_history() -> None:
    assert {path.stem for path in _HISTORIES} == set(SCENES)


@pytest.mark.parametrize("path", _HISTORIES, ids=lambda path: path.stem)
async def test_a_stored_history_replays(path: Path) -> None:
    result = await replayer().replay_workflow(stored(path), raise_on_replay_failure=False)

    assert result.replay_failure is None


@pytest.mark.parametrize("path", _OF_CASES, ids=lambda path: path.stem)
async def test_a_history_does_not_replay_where_steps_were_put_in_another_order(path: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(ReorderedWorkflow).replay_workflow(stored(path))


@pytest.mark.parametrize("path", _HISTORIES, ids=lambda path: path.stem)
def test_a_stored_history_names_no_person_and_no_machine(path: Path) -> None:
    text = path.read_text("utf-8")

    assert "@example.com" not in text
    identities = re.findall(r'"identity": "([^"]*)"', text)
    assert set(identities) <= {"recorder", "history-service"}


async def test_a_case_that_just_ran_replays(world: SmallWorld, run_worker: WorkerFactory) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(BILLING)
        await finish(handle)

    await replayer().replay_workflow(await handle.fetch_history())

    assert len(await events_of(handle)) > 30


async def test_a_workflows_log_line_appears_once_however_often_it_is_replayed(
    world: SmallWorld, run_worker: WorkerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root = logging.getLogger()
    before, level = root.handlers, root.level
    await world.twins(120_000)
    try:
        set_up_logs("INFO")
        async with run_worker(max_cached_workflows=0):
            handle = await world.start(BILLING)
            await parked(handle)
            await handle.signal("customer_said", {"text": "\u200b"})  # it warns, then lives on
            await eventually(lambda: _logged(written, "an unusable message was ignored"))
            await parked(handle)
            await decided(world, Verdict.DENIED)
            await finish(handle)
    finally:
        root.handlers, root.level = before, level

    assert len(await _logged(written, "an unusable message was ignored")) == 1
    [closed] = await _logged(written, "the case is closed")
    assert closed["status"] == "rejected"
    assert world.customer_id not in written.getvalue()


async def _logged(written: io.StringIO, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]
