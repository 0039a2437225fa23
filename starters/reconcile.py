"""`casekeeper reconcile`: compares the ledger with the outside, by hand and at once."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowFailureError, WorkflowHandle

from cases.comparison import Difference, Remedy
from cases.errors import CaseError
from cases.reconciliation import CompareReport, ReconcileReport, ReconcileTask
from starters.session import Session, open_session
from starters.terminal import JsonFlag, execute, out, plain_table
from workers.main import TASK_QUEUE
from workflows.reconcile import ReconcileWorkflow

#: A worker that runs takes it at once; without one nothing would ever be said.
_TAKEN_WITHIN_S = 10.0
#: Longer than any reconciliation takes.
_AT_MOST = timedelta(hours=6)
#: The history of a run that no worker has taken: it was started, and its first task waits.
_NOT_TAKEN = 2
#: So much of a key fits its column, and tells it from others.
_KEY_FITS = 12

Handle = WorkflowHandle[ReconcileWorkflow, ReconcileReport]


class NoWorker(CaseError):
    """Nobody does the work; the sentence says how to start one."""

    def __init__(self) -> None:
        super().__init__(
            "No worker took it: start one with `casekeeper worker`, or all with `casekeeper up`."
        )


class ReconciliationFailed(CaseError):
    def __init__(self, cause: BaseException | None) -> None:
        cause = getattr(cause, "cause", None) or cause
        super().__init__(f"The reconciliation has failed: {cause or 'it is not known why'}")


def reconcile(
    days: Annotated[
        int, typer.Option("--days", min=1, max=3650, help="Compare the refunds of so many days.")
    ] = 30,
    as_json: JsonFlag = False,
) -> None:
    """Compare the ledger with the outside, and settle what is open.

    What cannot be settled by itself becomes a person's task: then the exit code is 1.
    """
    report = execute(_reconcile(days), as_json, _print)
    if report["needs_person"]:
        raise typer.Exit(1)


async def _reconcile(days: int) -> dict[str, Any]:
    async with open_session() as session:
        report = await reconcile_now(session, days)
    return {**report.model_dump(mode="json"), "needs_person": report.needs_person}


async def reconcile_now(
    session: Session, days: int, *, taken_within_s: float = _TAKEN_WITHIN_S
) -> ReconcileReport:
    """Start the workflow and wait for its report; raises NoWorker, ReconciliationFailed."""
    handle: Handle = await session.temporal.start_workflow(
        ReconcileWorkflow.run,
        ReconcileTask(compare_days=days),
        id=f"reconcile-by-hand-{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
        task_queue=TASK_QUEUE,
        execution_timeout=_AT_MOST,
        static_summary=f"By hand, {days} days",
    )
    report = asyncio.ensure_future(handle.result())
    await asyncio.wait({report}, timeout=taken_within_s)
    if not report.done() and (await handle.describe()).history_length <= _NOT_TAKEN:
        report.cancel()
        await handle.terminate("no worker took it")
        raise NoWorker
    try:
        return await report
    except WorkflowFailureError as error:
        raise ReconciliationFailed(error.cause) from error


def _print(result: dict[str, Any]) -> None:
    parts = {name: part for name, part in result.items() if name != "needs_person"}
    report = ReconcileReport.model_validate(parts)
    table = plain_table("what", "case", "key", "amount", "what happens now")
    for row in _rows(report):
        table.add_row(*row)
    if table.row_count:
        out.print(table)
    else:
        out.print("Nothing differs.")
    for line in _numbers(report):
        out.print(line, style="dim")


def _rows(report: ReconcileReport) -> Iterator[tuple[str, str, str, str, str]]:
    for effect in report.open_effects.effects:
        what = f"{_plain(effect.kind)} {effect.after}"
        yield what, effect.case_id, _short(effect.key), "", _NOW[effect.remedy]
    for run in report.ended_runs.cases:
        yield f"run {run.how}", run.case_id, "", "", f"taken over; {_PERSON}"
    for one in report.compared.differences if report.compared else ():
        key = _short(one.subject)
        yield _plain(one.kind), one.case_id or "", key, _amounts(one), _NOW[one.remedy]


_PERSON = "a person must look"
_NOW = {
    Remedy.SETTLED: "settled",
    Remedy.HANDED_OVER: _PERSON,
    Remedy.ACCEPTED: "a person has dealt with it",
    Remedy.NOTED: "nothing: it is not ours",
}


def _amounts(differs: Difference) -> str:
    """The ledger's, or both sides' where they differ."""
    sides = [str(s.amount) for s in (differs.ours, differs.theirs) if s and s.amount]
    return ", there ".join(dict.fromkeys(sides))


def _numbers(report: ReconcileReport) -> Iterator[str]:
    effects, ended, compared = report.open_effects, report.ended_runs, report.compared
    yield (
        f"{effects.looked_at} open effects looked at: {effects.settled} settled, "
        f"{effects.handed_over} for a person, {effects.waiting} still open."
    )
    if report.needs_person:
        yield "`casekeeper approvals` lists what waits for a person."
    if effects.unavailable:
        yield "The outside did not answer every question: run it again."
    if ended.left:
        yield f"{ended.left} cases could not be taken over yet: the next run tries again."
    if compared:
        yield from _compared(compared)


def _compared(compared: CompareReport) -> Iterator[str]:
    yield (
        f"{compared.theirs} refunds of the provider compared with {compared.ours} of the ledger, "
        f"{compared.days} days."
    )
    more = sum(compared.counts.values()) - len(compared.differences)
    if more:
        counts = ", ".join(f"{n} {_plain(kind)}" for kind, n in sorted(compared.counts.items()))
        yield f"{more} more are not listed; in all: {counts}."
    if compared.not_looked_up:
        yield (
            f"The provider's list lacks {compared.not_looked_up} more refunds, too many to look "
            "up: is it the right account?"
        )


def _short(key: str) -> str:
    return key if len(key) <= _KEY_FITS else f"{key[: _KEY_FITS - 1]}…"


def _plain(word: str) -> str:
    return word.replace("_", " ")
