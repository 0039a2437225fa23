"""`casekeeper approve` and `casekeeper deny`: a person decides about a refund."""

from typing import Annotated, Any

import typer
from temporalio.service import RPCError, RPCStatusCode

from cases.approvals import Approval, ApprovalState, Verdict, VoidRequest
from cases.errors import (
    AlreadyDecided,
    ApprovalNotFound,
    CaseClosed,
    ConcurrentModification,
    Conflict,
    Forbidden,
    InvalidInput,
)
from cases.ids import MAIN, check_identifier, promotion_of
from cases.messages import ApprovalNotice
from cases.money import Money
from cases.records import Record
from cases.state import CaseState
from cases.text import clean_text
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from starters.tokens import find_token
from workers.composition import Stores
from workflows.support_case import SupportCaseWorkflow

#: How often a decision is made again from a newer view, as others decide or the case goes on.
_ATTEMPTS = 10

ByOption = Annotated[
    str | None,
    typer.Option("--by", help="Who decides; needed where several approvers' tokens lie here."),
]
NoteOption = Annotated[str, typer.Option("--note", help="Why; it goes into the audit.")]


RequestOption = Annotated[
    str | None,
    typer.Option(
        "--request",
        metavar="ID",
        help="Decide this request only, not one made since. `approvals --json` has the ids.",
    ),
]


def approve(
    case: CaseArgument,
    by: ByOption = None,
    note: NoteOption = "",
    request: RequestOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve the refund that a case waits for."""
    _run(case, Verdict.APPROVED, as_json, by=by, note=note, request_id=request)


def deny(
    case: CaseArgument,
    by: ByOption = None,
    note: NoteOption = "",
    request: RequestOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Deny the refund that a case waits for."""
    _run(case, Verdict.DENIED, as_json, by=by, note=note, request_id=request)


def _run(
    case_id: str,
    verdict: Verdict,
    as_json: bool,
    *,
    by: str | None,
    note: str,
    request_id: str | None,
) -> None:
    why = attempt(lambda: clean_text(note, "--note"), as_json) if note else ""
    if request_id is not None:
        attempt(lambda: check_identifier(request_id, "--request"), as_json)

    async def work() -> dict[str, Any]:
        async with open_session() as session:
            return await decide(session, case_id, verdict, by=by, note=why, request_id=request_id)

    execute(work(), as_json, _print)


async def decide(
    session: Session,
    case_id: str,
    verdict: Verdict,
    *,
    by: str | None = None,
    note: str = "",
    request_id: str | None = None,
) -> dict[str, Any]:
    """Commit the decision, then wake the case with a signal; each refusal is put on record.

    Raises CaseNotFound, ApprovalNotFound, Forbidden, AlreadyDecided, StaleRequest, CaseClosed.
    """
    stores = session.stores
    state = await stores.cases.load(case_id, MAIN)
    name = "unknown"
    try:
        token = await find_token(session.settings, stores.approvers, by)
        name = await stores.approvers.name_of(token) or name
        request = await _request(stores, state, request_id)
    except (Forbidden, ApprovalNotFound, Conflict) as refusal:
        await stores.audit.note(case_id, MAIN, name, "decision_refused", str(refusal))
        raise
    await commit_decision(stores, state, request, Said(token=token, verdict=verdict, note=note))
    decided = await stores.approvals.read(request.approval_id)
    told = decided.state is not ApprovalState.PENDING and await _wake(session, decided)
    return {**decided.model_dump(mode="json"), "case_told": told}


async def _request(stores: Stores, state: CaseState, request_id: str | None) -> Approval:
    """The request to decide; a closed case has none but for its promotion."""
    waiting = await stores.approvals.pending_of(state.case_id, MAIN)
    meant = [one for one in waiting if request_id in (None, one.approval_id)]
    if len(meant) > 1:
        ids = " or ".join(f"{one.approval_id} ({about(one)})" for one in meant)
        raise InvalidInput("--request", f"say which of them: {ids}")
    if meant and (meant[0].promotes or not state.status.closed):
        return meant[0]
    try:
        newest = await stores.approvals.newest_of(state.case_id, MAIN)
    except ApprovalNotFound:
        if state.status.closed:
            raise CaseClosed(state.case_id, state.status) from None
        raise
    if state.status.closed:
        raise _over(state, newest)
    if request_id not in (None, newest.approval_id):
        raise VoidRequest(state.case_id)
    return newest


def about(request: Approval) -> str:
    """What a request is about, for people."""
    if request.promotes:
        return f"promotion of {request.promotes}, {request.amount}"
    return f"refund of {request.amount}"


def _over(state: CaseState, request: Approval) -> Conflict:
    """Why a closed case takes no decision: someone decided before, or it just closed."""
    if request.decided_by is None:
        return CaseClosed(state.case_id, state.status)
    return AlreadyDecided(state.case_id, request.state, request.decided_by)


class Said(Record):
    """What someone says to a request, and what proves who."""

    token: str
    verdict: Verdict
    note: str


async def commit_decision(stores: Stores, state: CaseState, request: Approval, said: Said) -> None:
    """Decide that very request, though others decide or the case goes on meanwhile."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            update, committed = await stores.approvals.decide(
                state, request, said.token, said.verdict, said.note
            )
        except ConcurrentModification:
            if not left:
                raise
            state = await stores.cases.load(state.case_id, MAIN)
        else:
            if update:
                await stores.record.project(state.case_id, MAIN, [update], committed)
            return


async def _wake(session: Session, decided: Approval) -> bool:
    """Tell the case. If this does not come to pass, a worker tells it: the row is on record."""
    handle = session.handle(decided.case_id)
    if decided.promotes:
        handle = session.handle(promotion_of(decided.case_id), decided.promotes)
    try:
        await handle.signal(
            SupportCaseWorkflow.approval_decided,
            ApprovalNotice(approval_id=decided.approval_id, verdict=decided.state.value),
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and not decided.promotes:
            raise
        return False
    await session.stores.outbox.told(decided.approval_id)
    return True


def _print(result: dict[str, Any]) -> None:
    amount, case_id = Money.model_validate(result["amount"]), result["case_id"]
    what = f"Refund of [bold]{amount}[/bold] in {case_id}"
    branch = result["promotes"]
    if branch:
        what = f"Promotion of {branch} ([bold]{amount}[/bold] to pay or recover) in {case_id}"
    if result["state"] == ApprovalState.PENDING:
        given, needed = len(result["approved_by"]), result["needed"]
        out.print(
            f"{what}: approved by "
            f"{' and '.join(result['approved_by'])}, {given} of {needed}. Another person must, too."
        )
        return
    names = result["decided_by"]
    if result["state"] == ApprovalState.APPROVED and len(result["approved_by"]) > 1:
        names = " and ".join(result["approved_by"])
    out.print(f"{what}: {result['state']} by {names}.")
    if branch and not result["case_told"]:
        out.print(f"Nothing waits for it: repeat `casekeeper promote {case_id}@{branch}`.")
    elif not result["case_told"]:
        out.print("Temporal does not answer: it is on record, and the case is told of it later.")
