"""An explanation as people read it: one story, oldest first, each entry with its facts below it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from rich.table import Table
from rich.text import Text

from cases.errors import CaseError
from cases.explained_decisions import ExplainedDecision, ModelUse, Ruling, Saw, Written
from cases.explained_effects import Difference, ExplainedEffect
from cases.explained_people import ExplainedApproval, ExplainedTask
from cases.explanation import Explanation
from cases.sections import is_scratch, section_type
from cases.text import shorten
from cases.trail import DONE, AuditRef, Event
from starters.terminal import err, out, plain_step, visible
from workflows.story import describe

#: One entry of the story: when, its headline, its rows in the audit, and the facts below it.
Entry = tuple[datetime, str, Iterable[AuditRef], Iterable[str]]

#: So much of a text is shown, and so much of it before the place where two texts part.
_SHORT, _BEFORE = 40, 12


def print_explanation(document: dict[str, Any]) -> None:
    """What is missing goes to standard error, as findings of the audit do."""
    told = Explanation.model_validate(document)
    status = (told.status or "").replace("_", " ")
    out.print(Text(visible(told.case_id), style="bold").append(f"  {visible(status)}", "yellow"))
    for line in _head(told):
        out.print(Text(visible(line), style="dim"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for at, headline, rows, facts in sorted(_story(told), key=lambda entry: entry[0]):
        text = Text(visible(headline), style="bold")
        text.append(visible(_rows(rows, told.branch)), "dim not bold")
        for fact in facts:
            text.append(f"\n{visible(fact)}", "not bold")
        table.add_row(Text(f"{at.astimezone(UTC):%m-%d %H:%M:%S}", style="cyan"), text)
    out.print(table)
    for gap in told.gaps:
        err.print(Text(visible(gap), style="red"), soft_wrap=True)
    out.print(_last_word(told), style="dim", markup=False)


def _head(told: Explanation) -> Iterator[str]:
    by = f" by {told.opened_by}" if told.opened_by else ""
    yield f"Opened for {told.customer_id}{by} at {_utc(told.opened_at)}."
    if told.forked_by:
        yield f"Branch {told.branch}, from {told.parent_checkpoint_id}, by {told.forked_by}."
    when = _utc(told.as_of) if told.as_of else "now"
    yield f"As of {when}: {told.checkpoint_id or 'no checkpoint'}. All times are UTC."


def _last_word(told: Explanation) -> str:
    verify = f"`casekeeper audit {told.case_id} --verify`"
    if told.gaps:
        return f"Something is missing or does not fit: {verify} says what was changed."
    return f"Nothing is missing. That no row was changed: {verify}."


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _story(told: Explanation) -> Iterator[Entry]:
    outcomes = {effect.recorded_in for effect in told.effects}
    for one in told.decisions:
        rows = [written.audit for written in one.wrote]
        facts = _of_decision(one, only_recorded=one.checkpoint_id in outcomes)
        yield one.at, _decision_head(one), rows, facts
    for effect in told.effects:
        yield effect.claimed_at, _effect_head(effect), _audit(effect.history), _of_effect(effect)
    for asked in told.approvals:
        head = f"request {asked.approval_id}: {asked.amount} {asked.state}"
        yield asked.requested_at, head, _audit(asked.history), _of_approval(asked)
    for undo in told.compensations:
        head = f"to be undone by {_plain(undo.name)}: {undo.state}"
        yield undo.registered_at, head, _audit(undo.history), _ended("ended", undo.ended_at)
    for task in told.tasks:
        head = f"task {task.task_id}: {_plain(task.kind)}"
        yield task.opened_at, head, _audit(task.history), _of_task(task)
    for event in told.events:
        head = f"{event.checkpoint_id}  {event.who}: {_plain(event.event)}"
        yield event.at, head, [event.audit], _of_event(event)


def _audit(history: Iterable[Event]) -> list[AuditRef]:
    return [event.audit for event in history]


def _rows(rows: Iterable[AuditRef], branch: str) -> str:
    """Where `casekeeper audit` has it; rows of another line are named with that line."""
    numbers = ", ".join(
        str(row.seq) if row.branch == branch else f"{row.branch} {row.seq}" for row in rows
    )
    return f"  audit {numbers}" if numbers else ""


def _decision_head(decision: ExplainedDecision) -> str:
    first = next((one for one in decision.wrote if not is_scratch(one.section)), None)
    says = f": {_says(first)}" if first else ""
    return f"{decision.checkpoint_id}  {plain_step(decision.step)}{says}"


def _of_decision(decision: ExplainedDecision, *, only_recorded: bool) -> Iterator[str]:
    """Why and from what; nothing was decided where an effect's outcome was only put on record."""
    says = [_says(one) for one in decision.wrote]
    if not only_recorded and not any(_letters(decision.reason) in _letters(one) for one in says):
        yield f"because: {decision.reason}"
    if decision.ruling:
        yield _rule(decision.ruling)
    yield f"wrote {', '.join(f'{one.section} {one.version}' for one in decision.wrote)}"
    if decision.saw:
        yield _saw(decision.saw)
    if decision.model:
        yield _model(decision.model)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _model(used: ModelUse) -> str:
    prompt = f", prompt {_short(used.prompt_hash)}" if used.prompt_hash else ""
    tokens = f", tokens {used.tokens}" if used.tokens else ""
    return f"model {used.model}{prompt}{tokens}"


def _says(one: Written) -> str:
    """What the section says in a few words; agents' notes are their own."""
    try:
        return "" if is_scratch(one.section) else _described(one)
    except (CaseError, ValueError):
        return f"what {one.section} said cannot be read here"


def _described(one: Written) -> str:
    return describe(section_type(one.section).model_validate(one.value))


def _rule(ruling: Ruling) -> str:
    policy = f"rule {_plain(ruling.rule)} of policy version {ruling.policy_version}"
    if not ruling.policy_known:
        return f"{policy}; its limit is not known here, as the policy at hand is another version"
    if ruling.limit is None:
        return f"{policy}; no limit applied"
    needs = f"; needs approval by {ruling.approvals_needed}" if ruling.approvals_needed else ""
    return f"{policy}; limit {ruling.limit} in {ruling.limit_days} days{needs}"


def _saw(saw: Saw) -> str:
    sections = ", ".join(f"{name} {version}" for name, version in saw.sections.items())
    pruned = f" ({saw.messages_pruned} too old for the state)" if saw.messages_pruned else ""
    seen = f"{sections or 'no section'}; messages {saw.messages}{pruned}"
    if saw.recorded:
        return f"saw {saw.checkpoint_id}: {seen}"
    return f"what it saw is not recorded: at most {saw.checkpoint_id or 'nothing'}: {seen}"


def _effect_head(effect: ExplainedEffect) -> str:
    money = f" of {effect.amount} for {effect.charge_id}" if effect.amount else ""
    mode = "" if effect.mode == DONE else f" ({effect.mode})"
    return f"effect {_plain(effect.kind)}{money}: {effect.state}{mode}"


def _of_effect(effect: ExplainedEffect) -> Iterator[str]:
    places = {
        "ordered by": effect.ordered_by,
        "claimed after": effect.claimed_after,
        "outcome in": effect.recorded_in,
    }
    yield ", ".join(f"{how} {where}" for how, where in places.items() if where)
    yield from _allowed(effect)
    for name, differs in effect.differs.items():
        yield f"{_plain(name)}: {_difference(differs)}"
    if effect.text_digest:
        yield f"text {_short(effect.text_digest)}"
    code = effect.code if effect.code != effect.mode else None
    if effect.receipt or code:
        yield ", ".join(filter(None, [effect.receipt and f"receipt {effect.receipt}", code]))
    if effect.compensation:
        yield f"to be undone by {_plain(effect.compensation)}"
    for task in effect.tasks:
        yield f"task {task}"
    yield f"key {_short(effect.key)}"


def _difference(differs: Difference) -> str:
    """Both values; of long texts from where they part."""
    wanted, done = (
        " ".join((text or "nothing").split()) for text in (differs.wanted, differs.done)
    )
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(wanted, done, strict=False))
    )
    start = max(0, same - _BEFORE) if max(len(wanted), len(done)) > _SHORT else 0
    wanted, done = (f"{'…' * (start > 0)}{text[start:]}" for text in (wanted, done))
    return f"wanted {shorten(wanted, _SHORT)}, done {shorten(done, _SHORT)}"


def _allowed(effect: ExplainedEffect) -> Iterator[str]:
    if effect.promotes:
        yield f"as branch {effect.promotes} was promoted"
    if effect.limit:
        yield f"without a person, within {effect.limit} in {effect.limit_days} days"
    if effect.approval_id:
        about = "about" if effect.kind == "notice" else "by"
        yield f"{about} request {effect.approval_id}"


def _of_approval(approval: ExplainedApproval) -> Iterator[str]:
    for order in approval.orders:
        yield f"shown: {order.amount} of {order.charge_id}, after {order.anchor_charge}"
    if approval.rule:
        yield f"rule {_plain(approval.rule)}; needs {approval.needed}"
    yield f"digest {_short(approval.digest)}"
    if approval.promotes:
        yield f"would promote branch {approval.promotes}, as {approval.requested_by} wants"
    yield from _said(approval)
    for event in approval.history:
        yield f"{_plain(event.event)} at {_utc(event.at)}"
    if approval.checkpoints:
        yield f"checkpoints {', '.join(approval.checkpoints)}"
    if approval.consumed_by:
        yield f"let out {', '.join(_short(key) for key in approval.consumed_by)}"


def _said(approval: ExplainedApproval) -> Iterator[str]:
    for vote in approval.votes:
        note = f": {vote.note}" if vote.note else ""
        yield f"{vote.who} {vote.verdict} at {_utc(vote.at)}{note}"
    if not approval.votes and approval.note:
        yield approval.note


def _ended(how: str, at: datetime | None) -> Iterator[str]:
    if at:
        yield f"{how} at {_utc(at)}"


def _of_task(task: ExplainedTask) -> Iterator[str]:
    yield f"{task.subject}: {task.detail}" if task.detail else task.subject
    if task.closed_at:
        note = f": {task.note}" if task.note else ""
        by = task.closed_by or "looking"
        yield from _ended(f"finished by {by}{note}", task.closed_at)


def _of_event(event: Event) -> Iterator[str]:
    said = ": ".join(filter(None, [event.subject, event.reason]))
    if said:
        yield shorten(said, 300)


def _short(digest: str | None) -> str:
    return shorten(digest or "", 16)


def _plain(word: str) -> str:
    return word.replace("_", " ")
