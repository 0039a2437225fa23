"""What a log line holds, at which level, and what it never holds."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Generator
from typing import Any, cast

import pytest
from temporalio import workflow

from runtime.logs import CASE_WORKFLOWS, set_up_logs
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BILLING, finish
from workers.main import WORKFLOWS
from workers.schedules import COMPARE, DELIVER, RECONCILE

Lines = Callable[[], list[dict[str, Any]]]

_log = logging.getLogger("tests")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Generator[Lines]:
    """What is on standard error, every line of it read as JSON."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = root.handlers, root.level
    set_up_logs("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(capture=False)
    root.handlers, root.level = before
    for name in ("temporalio", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("level", "ours", "sdk", "clients"),
    [
        ("DEBUG", logging.DEBUG, logging.INFO, logging.WARNING),
        ("INFO", logging.INFO, logging.INFO, logging.WARNING),
        ("ERROR", logging.ERROR, logging.ERROR, logging.ERROR),
    ],
)
def test_the_sdk_and_the_clients_never_tell_payloads_whatever_level_is_set(
    level: str, ours: int, sdk: int, clients: int
) -> None:
    set_up_logs(level)

    assert logging.getLogger("stores.hot").getEffectiveLevel() == ours
    assert logging.getLogger("temporalio.worker._activity").getEffectiveLevel() == sdk
    assert logging.getLogger("httpx").getEffectiveLevel() == clients
    assert logging.getLogger("openai._base_client").getEffectiveLevel() == clients


def test_a_line_is_one_flat_object(written: Lines) -> None:
    _log.info("it is %s", "done", extra={"case_id": "case_1"})

    [line] = written()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "it is done", "level": "info", "logger": "tests", "case_id": "case_1"}


def test_what_is_private_is_taken_out_of_message_fields_and_exceptions(written: Lines) -> None:
    try:
        int("sam@example.com")
    except ValueError:
        _log.exception("call +49 30 1234567", extra={"seen": {"card": [4111111111111111]}})

    [line] = written()
    assert line["event"] == "call [phone]"
    assert line["seen"] == {"card": ["[card]"]}
    assert line["error_type"] == "ValueError"
    assert line["error"] == "invalid literal for int() with base 10: '[mail]'"
    assert "in test_what_is_private" in line["stack"]
    assert "sam@" not in json.dumps(line)


def test_a_stack_shows_no_local_variables(written: Lines) -> None:
    try:
        json.loads("Alice"[::-1])  # its callers in the library have it as a variable
    except ValueError:
        _log.exception("it failed")

    assert "ecilA" not in json.dumps(written())


def test_ids_of_ours_are_left_as_they_are(written: Lines) -> None:
    _log.info("so it is", extra={"case_id": "030-12345678", "kept": "030-12345678"})

    [line] = written()
    assert line["case_id"] == "030-12345678"
    assert line["kept"] == "[phone]"


def test_warnings_are_lines_too(written: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)  # pytest's own catching had replaced it
        logging.captureWarnings(capture=True)
        warnings.warn("ask sam@example.com", stacklevel=1)

    [line] = written()
    assert line["logger"] == "py.warnings"
    assert "[mail]" in line["event"]


def test_a_line_that_cannot_be_written_does_not_tell_what_it_was_about(written: Lines) -> None:
    record = logging.makeLogRecord({"name": "tests", "msg": "%d", "args": ("Alice",)})
    logging.getLogger().handlers[0].handle(record)

    [line] = written()
    assert line == {
        "event": "a log line could not be written",
        "level": "error",
        "logger": "tests",
    }


async def test_a_workflow_and_its_activities_say_which_case_they_are_of(
    world: SmallWorld, run_worker: WorkerFactory, written: Lines
) -> None:
    await world.twins(script=["drop"])  # the connection ends before the answer
    async with run_worker():
        handle = await world.start(BILLING)
        await finish(handle)
    run_id = (await handle.describe()).run_id

    case = {"case_id": handle.id, "branch": "main", "workflow_id": handle.id}
    here = {**case, "workflow": "SupportCase", "task_queue": "support-cases"}
    [closed] = [line for line in written() if line["event"] == "the case is closed"]
    assert closed.items() >= {**here, "run_id": run_id, "attempt": 1}.items()
    failed = [line for line in written() if line["event"] == "Completing activity as failed"]
    assert (
        failed[0].items()
        >= {**here, "run_id": run_id, "activity": "issue_refund", "attempt": 1}.items()
    )
    assert failed[0]["stack"]


def test_every_workflow_is_one_of_a_case_or_one_that_runs_by_the_clock() -> None:
    by_the_clock = {routine.workflow for routine in (DELIVER, RECONCILE, COMPARE)}
    definition = cast("Any", workflow)._Definition
    names = {definition.must_from_class(one).name for one in WORKFLOWS}

    assert names == set(CASE_WORKFLOWS) | by_the_clock
