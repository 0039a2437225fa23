"""`casekeeper start`: opens one case, or many from a file."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import Progress
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.steps import CaseRef
from cases.errors import CaseAlreadyExists, InvalidInput
from cases.ids import MAIN, check_identifier
from cases.messages import CaseRequest
from cases.records import Record
from cases.state import CaseStatus, Message
from cases.text import clean_text
from starters.case_view import print_case, view_case
from starters.session import Session, open_session
from starters.terminal import JsonFlag, attempt, err, execute, out
from workers.main import TASK_QUEUE
from workflows.case_file import CASE_BRANCH, CASE_STATUS, NEEDS_HUMAN
from workflows.support_case import SupportCaseWorkflow

#: How many cases of a file are started at a time.
_AT_A_TIME = 8


class NewCase(Record):
    """A case to open, checked."""

    case_id: str
    customer_id: str
    text: str

    @classmethod
    def check(cls, customer_id: object, text: object, case_id: object = None) -> "NewCase":
        """Raises InvalidInput that names the field."""
        for field, value in (("customer_id", customer_id), ("text", text)):
            if not isinstance(value, str):
                raise InvalidInput(field, "is missing" if value is None else "is not a text")
        if case_id is None:
            case_id = f"case_{secrets.token_hex(6)}"
        if not isinstance(case_id, str):
            raise InvalidInput("case_id", "is not a text")
        return cls(
            case_id=check_identifier(case_id, "case_id"),
            customer_id=check_identifier(cast("str", customer_id), "customer_id"),
            text=clean_text(cast("str", text)),
        )


def start(  # noqa: PLR0917  typer reads the options from the signature
    text: Annotated[str | None, typer.Argument(help="What the customer said.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="The customer's id.")] = None,
    case_id: Annotated[str | None, typer.Option("--case-id", help="Made up if not given.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="JSON lines of case_id, customer_id, text.")
    ] = None,
    use_existing: Annotated[
        bool, typer.Option("--use-existing", help="A case that runs already is no error.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow to the end.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Open a case for a customer's message, or many from a file."""
    if file is not None:
        if text is not None or customer is not None or case_id is not None:
            raise typer.BadParameter("give either --file, or a text with --customer")
        cases = attempt(lambda: read_file(file), as_json)
        execute(_start_many(cases, use_existing, wait, as_json), as_json, _print_many)
        return
    if customer is None or text is None:
        missing = "--customer" if customer is None else "the text"
        raise typer.BadParameter(f"{missing} is missing")
    case = attempt(lambda: NewCase.check(customer, text, case_id), as_json)
    execute(_start_one(case, use_existing, wait), as_json, _print_one)


async def start_case(session: Session, case: NewCase, *, use_existing: bool = False) -> str:
    """Put the case on record and start its workflow; the run's id.

    Raises CaseAlreadyExists for a case that has run or runs, unless that may be used. A start
    that was cut off between the two can be repeated.
    """
    ref = CaseRef(case_id=case.case_id, customer_id=case.customer_id)
    request = Message(message_id="request", text=case.text, received_at=datetime.now(UTC))
    opened = await session.stores.record.open(ref, request)
    # Temporal forgets closed workflows after its retention; the record does not.
    if opened.repeated and (await session.stores.cases.load(case.case_id, MAIN)).status.closed:
        raise CaseAlreadyExists(case.case_id)
    try:
        handle = await session.temporal.start_workflow(
            SupportCaseWorkflow.run,
            CaseRequest(case_id=case.case_id, customer_id=case.customer_id),
            id=case.case_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
            if use_existing
            else WorkflowIDConflictPolicy.FAIL,
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CASE_STATUS, CaseStatus.RECEIVED.value),
                    SearchAttributePair(CASE_BRANCH, MAIN),
                    SearchAttributePair(NEEDS_HUMAN, False),
                ]
            ),
            memo={"opened_by": "casekeeper start", "branch": MAIN},
            static_summary="Support case",
            static_details="Follow it with `casekeeper show`; its story is under current details.",
        )
    except WorkflowAlreadyStartedError as error:
        if use_existing and error.run_id:
            return error.run_id
        raise CaseAlreadyExists(case.case_id) from error
    return handle.result_run_id or ""


def read_file(path: Path) -> list[NewCase]:
    """Check every line before any case is opened; raises InvalidInput that names line and field."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise InvalidInput("--file", f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("--file", f"{path} is not UTF-8") from error
    cases = [_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    seen: set[str] = set()
    for case in cases:
        if case.case_id in seen:
            raise InvalidInput("case_id", f"{case.case_id} stands in the file twice")
        seen.add(case.case_id)
    if not cases:
        raise InvalidInput("--file", f"{path} holds no case")
    return cases


def _line(number: int, line: str) -> NewCase:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"line {number}", f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidInput(f"line {number}", "is not a JSON object")
    fields = cast("dict[str, object]", data)
    unknown = fields.keys() - {"case_id", "customer_id", "text"}
    if unknown:
        raise InvalidInput(f"line {number}, {min(unknown)}", "is not a field of a case")
    try:
        return NewCase.check(fields.get("customer_id"), fields.get("text"), fields.get("case_id"))
    except InvalidInput as error:
        raise InvalidInput(
            f"line {number}, {error.field}", str(error).partition(": ")[2]
        ) from error


async def _start_one(case: NewCase, use_existing: bool, wait: bool) -> dict[str, Any]:
    async with open_session() as session:
        run_id = await start_case(session, case, use_existing=use_existing)
        if wait:
            await session.handle(case.case_id).result()
            return await view_case(session, case.case_id, MAIN)
        return {
            "case_id": case.case_id,
            "workflow_id": case.case_id,
            "run_id": run_id,
            "web_url": session.link(case.case_id, MAIN, run_id),
        }


async def _start_many(
    cases: Sequence[NewCase], use_existing: bool, wait: bool, as_json: bool
) -> dict[str, list[str]]:
    started: list[str] = []
    existing: list[str] = []
    turns = asyncio.Semaphore(_AT_A_TIME)
    async with open_session() as session:
        with Progress(console=err, disable=as_json, transient=True) as progress:
            bar = progress.add_task(
                "Finishing cases" if wait else "Opening cases", total=len(cases)
            )

            async def one(case: NewCase) -> None:
                async with turns:
                    try:
                        await start_case(session, case, use_existing=use_existing)
                        started.append(case.case_id)
                    except CaseAlreadyExists:
                        existing.append(case.case_id)
                    if wait:
                        await session.handle(case.case_id).result()
                    progress.advance(bar)

            await asyncio.gather(*(one(case) for case in cases))
    if existing and not use_existing:
        many = f"{len(existing)} of {len(cases)} cases (the first: {min(existing)})"
        raise AlreadyThere(many, len(started))
    return {"started": sorted(started), "existing": sorted(existing)}


class AlreadyThere(CaseAlreadyExists):
    """Some cases of a file existed already; the others were opened."""

    def __init__(self, which: str, started: int) -> None:
        Exception.__init__(self, f"{which} existed already; {started} were opened.")


def _print_one(result: dict[str, Any]) -> None:
    if "sections" in result:
        print_case(result)
        return
    out.print(f"Case [bold]{result['case_id']}[/bold] is open.")
    if result["web_url"]:
        out.print(result["web_url"], style="blue", soft_wrap=True)


def _print_many(result: dict[str, list[str]]) -> None:
    out.print(f"{len(result['started'])} cases are open.")
