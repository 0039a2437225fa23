"""`casekeeper replay`: would the cases of a live namespace go on with the code of this build?"""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import typer
from rich.progress import Progress
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, WorkflowReplayResult

from cases.errors import InvalidInput
from cases.records import Record
from gateways.sandbox.clock import parse_duration
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from starters.terminal import JsonFlag, attempt, err, execute, out, visible
from workers.main import TASK_QUEUE, WORKFLOWS, sandbox_runner, uncollected

#: What differs, within the SDK's print of the whole failure.
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
#: So much of it is enough; the rest may be a customer's words.
_LINES, _CHARACTERS = 3, 400


class Failure(Record):
    """A workflow that this code would not bring to its end."""

    workflow_id: str
    run_id: str
    error: str
    message: str


class ReplayReport(Record):
    """What became of the replays. `gone` were deleted meanwhile."""

    since: datetime
    replayed: int
    gone: int
    failures: list[Failure]


def replay(
    since: Annotated[
        str, typer.Option("--since", metavar="DURATION", help="How far back: 12h or 7d.")
    ] = "7d",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10**9, help="Only so many, open ones first.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Replay what is open, and what has closed of late, with the code of this build.

    Nothing is run and nothing is changed. Do it before new workers start.
    """
    start = attempt(lambda: parse_since(since), as_json)
    result = execute(_replay(start, limit, as_json), as_json, _print)
    if result["failures"]:
        raise typer.Exit(1)


def parse_since(given: str) -> datetime:
    """How long ago that is, as a time; raises InvalidInput."""
    try:
        return datetime.now(UTC) - parse_duration(given, "--since")
    except OverflowError as error:
        raise InvalidInput("--since", f"{given} is before our calendar") from error


async def _replay(since: datetime, limit: int | None, as_json: bool) -> dict[str, Any]:
    client = await connect(find_servers(read_settings()))
    with Progress(console=err, disable=as_json or not err.is_terminal, transient=True) as progress:
        bar = progress.add_task("Replaying", total=None)
        report = await run_replay(
            client, since, limit, lambda of: progress.update(bar, advance=1, total=of)
        )
    problem = f"{len(report.failures)} of {report.replayed} do not replay with this build."
    failed = {"error": problem, "exit_code": 1} if report.failures else {}
    return {**report.model_dump(mode="json"), **failed}


async def run_replay(
    client: Client,
    since: datetime,
    limit: int | None = None,
    done: Callable[[int], None] = lambda _of: None,
) -> ReplayReport:
    """Replay the histories of the namespace; `done` hears after each how many there are."""
    query = (
        f"TaskQueue = '{TASK_QUEUE}' AND"
        f" (ExecutionStatus = 'Running' OR CloseTime >= '{since.isoformat()}')"
    )
    about = min((await client.count_workflows(query)).count, limit or 10**9)
    gone: list[str] = []
    replayed, failures = 0, list[Failure]()
    async with _replays(client, _histories(client, query, limit, gone)) as results:
        async for result in results:
            replayed += 1
            if result.replay_failure:
                failures.append(_failure(result.history, result.replay_failure))
            done(about)
    return ReplayReport(since=since, replayed=replayed, gone=len(gone), failures=failures)


async def _histories(
    client: Client, query: str, limit: int | None, gone: list[str]
) -> AsyncGenerator[WorkflowHistory]:
    async for run in client.list_workflows(query, limit=limit):
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        try:
            history = await handle.fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            gone.append(run.id)
        else:
            yield history


@asynccontextmanager
async def _replays(
    client: Client, histories: AsyncIterator[WorkflowHistory]
) -> AsyncGenerator[AsyncIterator[WorkflowReplayResult]]:
    """Replays with what a worker has: the same workflows, sandbox and data converter."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=sandbox_runner(),
        data_converter=client.data_converter,
        namespace=client.namespace,
        runtime=_silent(),
    )
    async with AsyncExitStack() as stack:
        with uncollected():
            opened = await stack.enter_async_context(replayer.workflow_replay_iterator(histories))
        with _quiet():
            yield opened


@cache
def _silent() -> Runtime:
    """The SDK's core would write each failure to standard output, beside the report."""
    level = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=level)))


@contextmanager
def _quiet() -> Generator[None]:
    """The SDK would log each failure with its traceback; the report names them all."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def _failure(history: WorkflowHistory, error: Exception) -> Failure:
    found = _MESSAGE.search(str(error))
    lines = (found[1] if found else str(error)).strip().splitlines()[:_LINES]
    return Failure(
        workflow_id=history.workflow_id,
        run_id=history.run_id,
        error=type(error).__name__,
        message="\n".join(lines)[:_CHARACTERS],
    )


def _print(result: dict[str, Any]) -> None:
    for failure in result["failures"]:
        out.print(f"[bold]{visible(failure['workflow_id'])}[/bold] (run {failure['run_id']})")
        out.print(f"  {failure['error']}: {visible(failure['message'])}", markup=False)
    gone = f", {result['gone']} were deleted meanwhile" if result["gone"] else ""
    if result["failures"]:
        out.print(f"{result['error'][:-1]}{gone}: see docs/upgrading.md before you start it.")
    else:
        out.print(f"All {result['replayed']} replay with this build{gone}.")
