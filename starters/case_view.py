"""A case as people and programs look at it: what `show --json` answers, and its picture as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import ROUNDED
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cases.approvals import ApprovalSection, ApprovalState
from cases.branches import EffectMode
from cases.effects import EffectState, RefundSection, ResolutionSection
from cases.ids import MAIN, check_identifier, parse_checkpoint_id, workflow_id
from cases.money import Money
from cases.policy import PolicySection
from cases.sections import Section
from cases.sizes import measure
from cases.state import CaseState
from starters.session import Session
from starters.terminal import out, plain_step, visible
from workflows.story import describe

#: The sections that every answer of `show --json` has, null where no step has written one yet.
_SECTIONS = ("billing", "account", "policy", "approval", "refund", "resolution")
#: The order in which a case comes by them, for people.
_STORY = ("understanding", *_SECTIONS)


async def view_case(
    session: Session, case_id: str, branch: str, checkpoint: str | None = None
) -> dict[str, Any]:
    """The case now, or as it was at a checkpoint; raises CaseNotFound, CheckpointNotFound."""
    at = None
    if checkpoint is not None:
        branch, at = checkpoint_place(checkpoint)
    state = await session.stores.cases.load(case_id, branch, at=at)
    effects = await _effects(session, case_id, branch)
    run_id = await session.run_id(case_id, branch)
    return as_json(state) | {
        "effects": effects,
        "workflow_id": workflow_id(case_id, branch),
        "run_id": run_id,
        "web_url": session.link(case_id, branch, run_id),
    }


async def _effects(session: Session, case_id: str, branch: str) -> list[dict[str, Any]]:
    """What was done outside; on a branch what it wants done, and how that was answered."""
    if branch == MAIN:
        done = await session.stores.ledger.of_case(case_id, branch)
        return [effect.model_dump(mode="json") for effect in done]
    wanted = await session.stores.branches.effects(case_id, branch)
    return [effect.model_dump(mode="json", exclude={"intent"}) for effect in wanted]


def checkpoint_place(checkpoint: str) -> tuple[str, int]:
    """Branch and version of a checkpoint that a person named; raises InvalidInput."""
    branch, version = parse_checkpoint_id(checkpoint)
    return check_identifier(branch, "checkpoint"), version


def as_json(state: CaseState) -> dict[str, Any]:
    """The stored part of what `show --json` answers; the agents' scratch is private."""
    state = state.seen_by("")
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
        "messages_pruned": state.messages_pruned,
        "sizes": [size.model_dump() for size in measure(state)],
        "answer": resolution.answer if resolution and resolution.sent else None,
        "error": state.error,
        "retries": state.retries,
        "checkpoint_id": state.checkpoint_id,
        "step": state.completed_steps[-1] if state.completed_steps else None,
    }


def print_case(view: Mapping[str, Any], *, as_of: str | None = None) -> None:
    """The case for people: what was said, what was found and done, and the answer."""
    on_branch = f", branch {view['branch']}" if view["branch"] != MAIN else ""
    out.print(
        Text(f"{view['case_id']}{on_branch}", style="bold").append(
            f"  {view['status'].replace('_', ' ')}", style=_STYLES.get(view["status"], "yellow")
        )
    )
    if view["messages_pruned"]:
        earlier = f"{view['messages_pruned']} earlier message{'s' * (view['messages_pruned'] != 1)}"
        out.print(Padding(Text(earlier, style="dim"), (1, 2, 0, 2)))
    for message in view["messages"]:
        said = Text(f"“{visible(message['text'])}”", style="italic")
        out.print(Padding(said, (1, 2, 0, 2)))
    state = _state_of(view)
    out.print(Padding(_findings(state), (1, 2)))
    print_answer(view)
    for line in _on_branch(view) if on_branch and as_of is None else ():
        out.print(line, style="yellow", markup=False)
    if as_of is None and not on_branch:
        for line in _since_then(state, view.get("effects", ())):
            out.print(line, style="yellow", markup=False)
    if view["status"] == "awaiting_approval" and as_of is None:
        decide = f"`casekeeper approve {view['case_id']}` or `casekeeper deny {view['case_id']}`"
        out.print(f"Waits for a person: {decide}.", style="yellow", markup=False)
    out.print(_where(view, as_of), style="dim", markup=False)
    print_link(view)


def _where(view: Mapping[str, Any], as_of: str | None) -> str:
    """Which checkpoint it is, and which step made it."""
    steps = len(view["completed_steps"])
    where = f"As of checkpoint {as_of}" if as_of else f"Checkpoint {view['checkpoint_id']}"
    made_by = f" The last was {plain_step(view['step'])}." if view["step"] else ""
    return f"{where}, after {steps} step{'s' * (steps != 1)}.{made_by}"


def print_answer(view: Mapping[str, Any]) -> None:
    """What the customer was told, if anything."""
    if view["answer"]:
        answer = Panel(Text(visible(view["answer"])), title="answer", box=ROUNDED, expand=False)
        out.print(answer)


def print_link(view: Mapping[str, Any]) -> None:
    """Where the Web UI shows the case, on one line: it is to be clicked or copied."""
    if view.get("web_url"):
        out.print(Text(view["web_url"], style="blue"), soft_wrap=True)


_STYLES = {"answered": "green", "cancelled": "red", "rejected": "red", "manual_review": "magenta"}


def _findings(state: CaseState) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    known = [name for name in _STORY if name in state.sections]
    others = [name for name in state.sections if name not in _STORY]
    for name in (*known, *others):
        section = state.sections[name]
        table.add_row(Text(name, style="cyan"), Text(f"{describe(section)}{_more(section)}"))
    return table or Table.grid()


def _on_branch(view: Mapping[str, Any]) -> list[str]:
    """What became of the branch's effects, none of which has left."""
    said: list[str] = []
    for effect in view.get("effects", ()):
        amount = effect["amount"] and Money.model_validate(effect["amount"])
        about = f" of {amount}" if amount else ""
        what = f"{effect['kind'].replace('_', ' ').capitalize()}{about}"
        said.append(f"{what}: {_ANSWERED[effect['mode']]}.")
    return said


_ANSWERED = {
    EffectMode.ADOPTED: "as the main line did it",
    EffectMode.CONFLICT: "otherwise than the main line did it, so only simulated",
    EffectMode.SIMULATED: "simulated; nothing has left",
}


def _since_then(state: CaseState, effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """What became of a refund after the case had its last word about it."""
    refund = state.get(RefundSection)
    # By the sum too: what was paid on top is another refund of the same charge.
    return [
        f"Since then the refund of {item.amount} of {item.charge_id} has {effect['state']}."
        for effect in effects
        for item in (refund.items if refund else ())
        if (effect["charge_id"], effect["amount"]) == (item.charge_id, item.amount.model_dump())
        and effect["state"] in _LATER - {item.state}
    ]


#: How a refund that was pending or unknown can end.
_LATER = {EffectState.SUCCEEDED, EffectState.FAILED}


def _more(section: Section) -> str:
    """What people want to know beside the line that the timeline has."""
    match section:
        case PolicySection(reason=reason) if reason:
            return f"\n{reason}"
        case ApprovalSection(decided_by=(_, *_) as names):
            note = f": {visible(section.note)}" if section.note else ""
            by = "approved so far by" if section.state is ApprovalState.PENDING else "by"
            return f"{',' * (by != 'by')} {by} {' and '.join(names)}{note}"
        case ApprovalSection(note=str(note)) if note:
            return f"; {visible(note)[0].lower()}{visible(note)[1:]}"
        case RefundSection(receipt=str(receipt)):
            return f", receipt {receipt}"
        case _:
            return ""


def _state_of(view: Mapping[str, Any]) -> CaseState:
    sections = {name: body for name, body in view["sections"].items() if body}
    return CaseState(
        case_id=view["case_id"],
        customer_id=view["customer_id"],
        sections=sections,
    )
