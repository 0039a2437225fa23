"""`casekeeper start`: opens one case, or many from a file."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import Progress
from temporalio.common import (
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
from starters.case_view import print_case, print_link, view_case
from starters.session import Session, open_session
from starters.terminal import JsonFlag, attempt, err, execute, out
from workers.main import TASK_QUEUE
from workflows.case_file import first_attributes
from workflows.support_case import SupportCaseWorkflow

#: How many cases of a file are started at a time.
_AT_A_TIME = 8


class NewCase(Record):
    """A case to open, checked."""

    case_id: str
    customer_id: str
    text: str
    #: Who asks for the customer, and so may not approve; empty for the customer themselves.
    opened_by: str = ""

    @classmethod
    def check(
        cls, customer_id: object, text: object, case_id: object = None, opened_by: object = None
    ) -> "NewCase":
        """Raises InvalidInput that names the field."""
        for field, value in (("customer_id", customer_id), ("text", text)):
            if not isinstance(value, str):
                raise InvalidInput(field, "is missing" if value is None else "is not a text")
        if case_id is None:
            case_id = f"case_{secrets.token_hex(6)}"
        for field, value in (("case_id", case_id), ("opened_by", opened_by)):
            if value is not None and not isinstance(value, str):
                raise InvalidInput(field, "is not a text")
        return cls(
            case_id=check_identifier(cast("str", case_id), "case_id"),
            customer_id=check_identifier(cast("str", customer_id), "customer_id"),
            text=clean_text(cast("str", text)),
            opened_by=""
            if opened_by is None
            else check_identifier(cast("str", opened_by), "opened_by"),
        )

    def opening(self) -> tuple[CaseRef, Message]:
        """What goes on record."""
        ref = CaseRef(case_id=self.case_id, customer_id=self.customer_id)
        return ref, Message(message_id="request", text=self.text, received_at=datetime.now(UTC))


def start(  # noqa: PLR0917  typer reads the options from the signature
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What the customer said.")
    ] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="The customer's id.")] = None,
    case_id: Annotated[
        str | None, typer.Option("--case-id", help="The new case's id; made up if not given.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who asks for the customer; another person must approve then."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="One case a line, as JSON: case_id, customer_id, text, opened_by."
        ),
    ] = None,
    use_existing: Annotated[
        bool,
        typer.Option("--use-existing", help="Take the case that runs already under that id."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end, and show it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Open a case for a customer's message, or many from a file."""
    if file is not None:
        if text is not None or customer is not None or case_id is not None:
            raise InvalidInput("--file", "does not go with TEXT, --customer or --case-id")
        cases = attempt(lambda: read_file(file, by), as_json)
        execute(_start_many(cases, use_existing, wait, as_json), as_json, _print_many)
        return
    if customer is None or text is None:
        missing = "--customer" if customer is None else "TEXT"
        raise InvalidInput(missing, "is missing: say which customer wrote what, or use --file")
    case = attempt(lambda: NewCase.check(customer, text, case_id, by), as_json)
    execute(_start_one(case, use_existing, wait), as_json, _print_one)


class Started(Record):
    """The run of a case, and whether it was there before."""

    run_id: str
    existing: bool


async def start_case(session: Session, case: NewCase, *, use_existing: bool = False) -> Started:
    """Put the case on record and start its workflow.

    Raises CaseAlreadyExists for a case that has run or runs, unless that may be used. A start
    that was cut off between the two can be repeated.
    """
    existing = await _put_on_record(session, case, use_existing)
    # Temporal forgets closed workflows after its retention; the record does not.
    if existing and (await session.stores.cases.load(case.case_id, MAIN)).status.closed:
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
            search_attributes=first_attributes(CaseStatus.RECEIVED, MAIN),
            memo={"opened_by": "casekeeper start", "branch": MAIN},
            static_summary="Support case",
            static_details="Follow it with `casekeeper show`; its story is under current details.",
        )
    except WorkflowAlreadyStartedError as error:
        raise CaseAlreadyExists(case.case_id) from error
    return Started(run_id=handle.result_run_id or "", existing=existing)


async def _put_on_record(session: Session, case: NewCase, use_existing: bool) -> bool:
    """Whether the case was there before; raises CaseAlreadyExists where that cannot be used."""
    try:
        ref, request = case.opening()
        return (await session.stores.record.open(ref, request, opened_by=case.opened_by)).repeated
    except CaseAlreadyExists:
        known = await session.stores.cases.load(case.case_id, MAIN)
        if use_existing and known.customer_id == case.customer_id:
            return True  # it was opened with other words; they stand
        raise


def read_file(path: Path, by: str | None = None) -> list[NewCase]:
    """Check every line before any case is opened; raises InvalidInput that names line and field.

    `by` has asked for those customers for whom no line says who did.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")  # other line ends may stand in a text
    except OSError as error:
        raise InvalidInput("--file", f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("--file", f"{path} is not UTF-8") from error
    seen: dict[str, int] = {}
    cases: list[NewCase] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            case = _line(number, line, by)
            first = seen.setdefault(case.case_id, number)
            if first != number:
                field = f"line {number}, case_id"
                raise InvalidInput(field, f"{case.case_id} stands in line {first} already")
            cases.append(case)
    if not cases:
        raise InvalidInput("--file", f"{path} holds no case")
    return cases


def _line(number: int, line: str, by: str | None) -> NewCase:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"line {number}", f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidInput(f"line {number}", "is not a JSON object")
    fields = cast("dict[str, object]", data)
    unknown = fields.keys() - {"case_id", "customer_id", "text", "opened_by"}
    if unknown:
        raise InvalidInput(f"line {number}, {min(unknown)}", "is not a field of a case")
    try:
        customer_id, text, case_id = (fields.get(n) for n in ("customer_id", "text", "case_id"))
        said_by = fields.get("opened_by")
        return NewCase.check(customer_id, text, case_id, by if said_by is None else said_by)
    except InvalidInput as error:
        raise InvalidInput(
            f"line {number}, {error.field}", str(error).partition(": ")[2]
        ) from error


async def _start_one(case: NewCase, use_existing: bool, wait: bool) -> dict[str, Any]:
    async with open_session() as session:
        begun = await start_case(session, case, use_existing=use_existing)
        if wait:
            await session.until_ended(case.case_id, _tell)
            return await view_case(session, case.case_id, MAIN)
        return {
            "case_id": case.case_id,
            "workflow_id": case.case_id,
            "run_id": begun.run_id,
            "existing": begun.existing,
            "web_url": session.link(case.case_id, MAIN, begun.run_id),
        }


async def _start_many(
    cases: Sequence[NewCase], use_existing: bool, wait: bool, as_json: bool
) -> dict[str, Any]:
    started: list[str] = []
    existing: list[str] = []
    ends: dict[str, str] = {}
    turns = asyncio.Semaphore(_AT_A_TIME)
    async with open_session() as session:
        with Progress(
            console=err, disable=as_json or not err.is_terminal, transient=True
        ) as progress:
            bar = progress.add_task(
                "Finishing cases" if wait else "Opening cases", total=len(cases)
            )

            async def one(case: NewCase) -> None:
                async with turns:
                    try:
                        begun = await start_case(session, case, use_existing=use_existing)
                        (existing if begun.existing else started).append(case.case_id)
                    except CaseAlreadyExists:
                        existing.append(case.case_id)
                if wait:  # without a turn: a case that waits for a person must not hold up others
                    ends[case.case_id] = (await session.until_ended(case.case_id, _tell)).status
                progress.advance(bar)

            await asyncio.gather(*(one(case) for case in cases))
    if existing and not use_existing:
        many = f"{len(existing)} of {len(cases)} cases (the first: {min(existing)})"
        raise AlreadyThere(many, len(started))
    result: dict[str, Any] = {"started": sorted(started), "existing": sorted(existing)}
    return result | ({"statuses": dict(sorted(ends.items()))} if wait else {})


class AlreadyThere(CaseAlreadyExists):
    """Some cases of a file existed already; the others were opened."""

    def __init__(self, which: str, started: int) -> None:
        Exception.__init__(self, f"{which} existed already; {started} were opened.")


def _tell(text: str) -> None:
    err.print(text, style="yellow", markup=False)


def _print_one(result: dict[str, Any]) -> None:
    if "sections" in result:
        print_case(result)
        return
    was = " already" if result["existing"] else ""
    out.print(f"Case [bold]{result['case_id']}[/bold] is open{was}.")
    out.print(f"Follow it with `casekeeper show {result['case_id']}`.", style="dim")
    print_link(result)


def _print_many(result: dict[str, Any]) -> None:
    existing = f", {len(result['existing'])} existed already" if result["existing"] else ""
    out.print(f"{len(result['started'])} cases were opened{existing}.")
    if "statuses" in result:
        statuses: dict[str, str] = result["statuses"]
        counts = Counter(statuses.values())
        ends = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in counts.most_common())
        out.print(f"All have ended: {ends}.")
