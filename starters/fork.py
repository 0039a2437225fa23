"""`casekeeper fork`: a case as it might have gone on from a checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from cases.branches import BranchExists, Fork
from cases.edits import Edit, apply_edits, edited_request, parse_edit, parse_edit_file
from cases.errors import InvalidInput
from cases.ids import MAIN, check_identifier, checkpoint_id, workflow_id
from cases.messages import CaseRequest
from cases.state import CaseStatus
from starters.case_view import checkpoint_place, print_case, print_link, view_case
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from workers.main import TASK_QUEUE
from workflows.case_file import first_attributes
from workflows.support_case import SupportCaseWorkflow

#: So many names are tried where none is given and others fork at the same time.
_NAMES_TRIED = 20


def fork(  # noqa: PLR0917  typer reads the options from the signature
    case: CaseArgument,
    at: Annotated[
        str, typer.Option("--at", metavar="CHECKPOINT", help="Go on after it; such as main.4.")
    ],
    edits: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="What is to be otherwise, such as policy.decision=no_action; may be repeated.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--set-file", metavar="FILE", help="The same as one JSON object of paths."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="The branch's name; else b1, b2, ...")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who asks; it goes into the audit.")] = "operator",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the branch to its end, and show it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Begin a branch after a checkpoint. Nothing that it does leaves: no refund, mail or answer."""
    place = attempt(lambda: checkpoint_place(at), as_json)
    wanted = attempt(lambda: _edits(edits or [], file), as_json)
    attempt(lambda: _check(name, by), as_json)
    work = _fork_in_session(case, place, wanted, name=name, by=by, wait=wait)
    execute(work, as_json, _print)


def _check(name: str | None, by: str) -> None:
    if name is not None and check_identifier(name, "--as") == MAIN:
        raise InvalidInput("--as", "the main line has that name")
    check_identifier(by, "--by")


def _edits(given: list[str], file: Path | None) -> list[Edit]:
    """All that is to be otherwise; raises InvalidInput that names what cannot be read."""
    found = [parse_edit(text) for text in given]
    if file is None:
        return found
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidInput("--set-file", f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("--set-file", f"{file} is not UTF-8") from error
    return [*parse_edit_file(text), *found]


async def _fork_in_session(
    case_id: str,
    place: tuple[str, int],
    edits: list[Edit],
    *,
    name: str | None,
    by: str,
    wait: bool,
) -> dict[str, Any]:
    async with open_session() as session:
        begun = await fork_case(session, case_id, place, edits, name=name, by=by)
        if not wait:
            return begun
        await session.until_ended(case_id, lambda _: None, branch=begun["branch"])
        return await view_case(session, case_id, begun["branch"])


async def fork_case(
    session: Session,
    case_id: str,
    place: tuple[str, int],
    edits: list[Edit],
    *,
    name: str | None = None,
    by: str = "operator",
) -> dict[str, Any]:
    """Put a branch on record and start its workflow.

    Raises CaseNotFound, CheckpointNotFound, BranchExists, InvalidInput. A start that was cut off
    between the two is repeated with the branch's name: what is on record then stands.
    """
    state = await session.stores.cases.load(case_id, place[0], at=place[1])
    fork = Fork(
        case_id=case_id,
        branch=name or MAIN,
        parent_branch=place[0],
        parent_version=place[1],
        by=by,
        sections=apply_edits(state, edits),
        request=edited_request(state, edits),
    )
    branch = await _put_on_record(session, fork, name)
    request = CaseRequest(case_id=case_id, customer_id=state.customer_id, branch=branch)
    run_id = await _start(session, request, state.status)
    return {
        "case_id": case_id,
        "branch": branch,
        "workflow_id": workflow_id(case_id, branch),
        "run_id": run_id,
        "parent_checkpoint_id": checkpoint_id(*place),
        "web_url": session.link(case_id, branch, run_id),
    }


async def _put_on_record(session: Session, fork: Fork, name: str | None) -> str:
    """The branch's name: the given one, or the next that is free."""
    for _ in range(_NAMES_TRIED):
        lines = {line.branch: line for line in await session.stores.branches.tree(fork.case_id)}
        free = (f"b{n}" for n in range(1, len(lines) + 1) if f"b{n}" not in lines)
        wanted = fork.model_copy(update={"branch": name or next(free)})
        try:
            await session.stores.branches.fork(wanted)
        except BranchExists:
            if name is None:
                continue
            known = lines.get(name)
            place = (fork.parent_branch, fork.parent_version)
            same = known and (known.parent_branch, known.parent_version) == place
            if not same or await session.run_id(fork.case_id, name):
                raise
        return wanted.branch
    raise BranchExists(fork.case_id, "b1")


async def _start(session: Session, request: CaseRequest, status: CaseStatus) -> str:
    try:
        handle = await session.temporal.start_workflow(
            SupportCaseWorkflow.run,
            request,
            id=workflow_id(request.case_id, request.branch),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=first_attributes(status, request.branch),
            memo={"opened_by": "casekeeper fork", "branch": request.branch},
            static_summary=f"Branch {request.branch} of a support case",
            static_details="Nothing that it does leaves: refunds, mails and answers are simulated.",
        )
    except WorkflowAlreadyStartedError as error:
        raise BranchExists(request.case_id, request.branch) from error
    return handle.result_run_id or ""


def _print(result: dict[str, Any]) -> None:
    if "sections" in result:
        print_case(result)
        return
    branch = result["branch"]
    out.print(
        f"Branch [bold]{branch}[/bold] of {result['case_id']} goes on after "
        f"{result['parent_checkpoint_id']}."
    )
    case = f"{result['case_id']} --branch {branch}"
    out.print(f"Look at it with `casekeeper show {case}`.", style="dim", soft_wrap=True)
    print_link(result)
