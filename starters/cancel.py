"""`casekeeper cancel`: stop working on a case."""

from typing import Annotated

import typer

from cases.messages import CancelRequest
from cases.text import clean_text
from starters.session import open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from workflows.support_case import SupportCaseWorkflow


def cancel(
    case: CaseArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the audit.")],
    as_json: JsonFlag = False,
) -> None:
    """Stop a case: what can be undone is undone, and the customer is told."""
    why = attempt(lambda: clean_text(reason, "--reason"), as_json)
    execute(_cancel(case, why), as_json, lambda _: out.print(f"Case {case} is being cancelled."))


async def _cancel(case_id: str, reason: str) -> dict[str, str]:
    async with open_session() as session:
        state = await session.open_case(case_id)
        await session.stores.audit.note(
            case_id, state.branch, "operator", "cancel_requested", reason
        )
        handle = session.handle(case_id)
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest(reason=reason))
        # With Temporal's own cancel the run also closes as cancelled.
        await handle.cancel()
        return {"case_id": case_id, "status": "cancelling"}
