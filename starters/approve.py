"""`casekeeper approve` and `casekeeper deny`: a person decides about a refund."""

from typing import Annotated, Any

import typer

from cases.approvals import Verdict
from cases.errors import CaseClosed
from cases.ids import MAIN
from cases.messages import ApprovalNotice
from cases.money import Money
from cases.text import clean_text
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from starters.tokens import find_token
from workflows.support_case import SupportCaseWorkflow

ByOption = Annotated[str | None, typer.Option("--by", help="Which approver decides.")]
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
    request = await stores.approvals.newest_of(case_id, MAIN)
    token = await find_token(session.settings, stores.approvers, by)
    if state.status.closed:
        await stores.audit.note(
            case_id, MAIN, by or "unknown", "decision_refused", f"case is {state.status}"
        )
        raise CaseClosed(case_id, state.status)
    update, committed = await stores.approvals.decide(state, request, token, verdict, note)
    await stores.record.project(case_id, MAIN, [update], committed)
    await session.handle(case_id).signal(
        SupportCaseWorkflow.approval_decided,
        ApprovalNotice(approval_id=request.approval_id, verdict=verdict),
    )
    decided = await stores.approvals.read(request.approval_id)
    return decided.model_dump(mode="json")


def _print(result: dict[str, Any]) -> None:
    amount = Money.model_validate(result["amount"])
    out.print(
        f"Refund of [bold]{amount}[/bold] in {result['case_id']}: "
        f"{result['state']} by {result['decided_by']}."
    )
