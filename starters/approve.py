"""`casekeeper approve` and `casekeeper deny`: a person decides about a refund."""

from typing import Annotated, Any

import typer

from cases.approvals import Verdict
from cases.errors import AlreadyDecided, ApprovalNotFound, CaseClosed, Conflict, Forbidden
from cases.ids import MAIN
from cases.messages import ApprovalNotice
from cases.money import Money
from cases.state import CaseState
from cases.text import clean_text
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from starters.tokens import find_token
from workers.composition import Stores
from workflows.support_case import SupportCaseWorkflow

ByOption = Annotated[
    str | None,
    typer.Option("--by", help="Who decides; needed where several approvers' tokens lie here."),
]
NoteOption = Annotated[str, typer.Option("--note", help="Why; it goes into the audit.")]


def approve(
    case: CaseArgument, by: ByOption = None, note: NoteOption = "", as_json: JsonFlag = False
) -> None:
    """Approve the refund that a case waits for."""
    _run(case, Verdict.APPROVED, by, note, as_json)


def deny(
    case: CaseArgument, by: ByOption = None, note: NoteOption = "", as_json: JsonFlag = False
) -> None:
    """Deny the refund that a case waits for."""
    _run(case, Verdict.DENIED, by, note, as_json)


def _run(case: str, verdict: Verdict, by: str | None, note: str, as_json: bool) -> None:
    why = attempt(lambda: clean_text(note, "--note"), as_json) if note else ""
    execute(_decide_in_session(case, verdict, by, why), as_json, _print)


async def _decide_in_session(
    case_id: str, verdict: Verdict, by: str | None, note: str
) -> dict[str, Any]:
    async with open_session() as session:
        return await decide(session, case_id, verdict, by=by, note=note)


async def decide(
    session: Session, case_id: str, verdict: Verdict, *, by: str | None = None, note: str = ""
) -> dict[str, Any]:
    """Commit the decision, then wake the case with a signal.

    Raises CaseNotFound, ApprovalNotFound, Forbidden, AlreadyDecided, StaleRequest, CaseClosed.
    """
    stores = session.stores
    state = await stores.cases.load(case_id, MAIN)
    try:
        token = await find_token(session.settings, stores.approvers, by)
    except Forbidden as refusal:
        await stores.audit.note(case_id, MAIN, "unknown", "decision_refused", str(refusal))
        raise
    if state.status.closed:
        name = await stores.approvers.name_of(token) or "unknown"
        await stores.audit.note(case_id, MAIN, name, "decision_refused", f"case is {state.status}")
        raise await _over(stores, state)
    request = await stores.approvals.newest_of(case_id, MAIN)
    update, committed = await stores.approvals.decide(state, request, token, verdict, note)
    await stores.record.project(case_id, MAIN, [update], committed)
    await session.handle(case_id).signal(
        SupportCaseWorkflow.approval_decided,
        ApprovalNotice(approval_id=request.approval_id, verdict=verdict),
    )
    decided = await stores.approvals.read(request.approval_id)
    return decided.model_dump(mode="json")


async def _over(stores: Stores, state: CaseState) -> Conflict:
    """Why a closed case takes no decision: someone decided before, or it just closed."""
    try:
        request = await stores.approvals.newest_of(state.case_id, MAIN)
    except ApprovalNotFound:
        return CaseClosed(state.case_id, state.status)
    if request.decided_by is None:
        return CaseClosed(state.case_id, state.status)
    return AlreadyDecided(state.case_id, request.state, request.decided_by)


def _print(result: dict[str, Any]) -> None:
    amount = Money.model_validate(result["amount"])
    out.print(
        f"Refund of [bold]{amount}[/bold] in {result['case_id']}: "
        f"{result['state']} by {result['decided_by']}."
    )
