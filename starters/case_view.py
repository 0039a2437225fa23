"""A case as people and programs look at it: what `show --json` answers, and its picture as text."""

from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cases.effects import ResolutionSection
from cases.ids import parse_checkpoint_id, workflow_id
from cases.state import CaseState
from starters.session import Session
from starters.terminal import out
from workflows.story import describe

#: The sections that every answer of `show --json` has, null where no step has written one yet.
_SECTIONS = ("billing", "account", "policy", "approval", "refund", "resolution")


async def view_case(
    session: Session, case_id: str, branch: str, checkpoint: str | None = None
) -> dict[str, Any]:
    """The case now, or as it was at a checkpoint; raises CaseNotFound, CheckpointNotFound."""
    at = None
    if checkpoint is not None:
        branch, at = parse_checkpoint_id(checkpoint)
    state = await session.stores.cases.load(case_id, branch, at=at)
    run_id = await session.run_id(case_id, branch)
    return as_json(state) | {
        "workflow_id": workflow_id(case_id, branch),
        "run_id": run_id,
        "web_url": session.link(case_id, branch, run_id),
    }


def as_json(state: CaseState) -> dict[str, Any]:
    """The stored part of what `show --json` answers."""
    found = {name: section.model_dump(mode="json") for name, section in state.sections.items()}
    resolution = state.get(ResolutionSection)
    return {
        "case_id": state.case_id,
        "branch": state.branch,
        "customer_id": state.customer_id,
        "status": state.status.value,
        "version": state.version,
        "schema_version": state.schema_version,
        "current_owner": state.current_owner,
        "completed_steps": list(state.completed_steps),
        "pending_approvals": list(state.pending_approvals),
        "sections": {**dict.fromkeys(_SECTIONS), **found},
        "messages": [message.model_dump(mode="json") for message in state.messages],
        "answer": resolution.answer if resolution and resolution.sent else None,
        "error": state.error,
        "retries": state.retries,
        "checkpoint_id": state.checkpoint_id,
    }


def print_case(view: dict[str, Any]) -> None:
    """The case for people."""
    state = _state_of(view)
    table = Table.grid(padding=(0, 2))
    for name, section in state.sections.items():
        table.add_row(Text(name, style="bold"), describe(section))
    where = f"{view['case_id']}  {view['status'].replace('_', ' ')}"
    steps = f"{len(view['completed_steps'])} steps, checkpoint {view['checkpoint_id']}"
    out.print(Panel(table, title=Text(where, style="bold"), subtitle=steps, expand=False))
    for message in view["messages"]:
        out.print(Text("customer: ", style="cyan").append(message["text"]), soft_wrap=True)
    if view["answer"]:
        out.print(Panel(Text(view["answer"]), title="answer", expand=False))
    if view.get("web_url"):
        out.print(Text(view["web_url"], style="blue"), soft_wrap=True)


def _state_of(view: dict[str, Any]) -> CaseState:
    sections = {name: body for name, body in view["sections"].items() if body}
    return CaseState(
        case_id=view["case_id"],
        customer_id=view["customer_id"],
        sections=sections,
    )
