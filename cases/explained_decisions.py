"""The decisions of a case: what each wrote, what it was made from, and by which rule or model."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any

from pydantic import Field, JsonValue

from cases.money import Money
from cases.policy import PolicySection, RefundPolicy
from cases.records import Record
from cases.sections import is_scratch
from cases.sizes import KEPT_MESSAGES
from cases.trail import AuditRef, CaseFacts, TrailRow, typed

#: An agent's step is its name and the round, "billing:1".
_AGENT_STEP = re.compile(r"([^:]+):(?:[0-9]+|cancelled)")
#: What stands in a section for a text that is kept beside it.
_REFERENCE = {"digest", "bytes", "start"}


class Written(Record):
    """A section that a decision wrote; the value is null for an agent's private notes."""

    section: str
    version: int
    previous: int | None
    value: Any
    #: Digests of its long texts, which are kept beside it.
    archived: tuple[str, ...]
    audit: AuditRef


class Saw(Record):
    """The state that an agent decided from: the newest version of each section it may see.

    Where that was not recorded, it is the newest that it can have been.
    """

    recorded: bool
    checkpoint_id: str | None
    version: int
    sections: dict[str, int]
    #: The messages on record then, and how many of them were too old to be in the state.
    messages: int
    messages_pruned: int


class ModelUse(Record):
    model: str
    prompt_hash: str | None
    tokens: str | None


class Ruling(Record):
    """The policy's rule. The limit is null where none applied, or where it is not known."""

    decision: str
    rule: str
    policy_version: int
    #: Whether the policy at hand is the one that decided.
    policy_known: bool
    amount: Money | None
    limit: Money | None
    limit_days: int | None
    approvals_needed: int


class ExplainedDecision(Record):
    """A step that wrote something, and why."""

    checkpoint_id: str
    version: int
    at: datetime
    who: str
    step: str
    status: str | None
    reason: str
    wrote: tuple[Written, ...]
    saw: Saw | None
    model: ModelUse | None
    ruling: Ruling | None
    gaps: tuple[str, ...] = Field(default=(), exclude=True)


def decisions_of(facts: CaseFacts, policy: RefundPolicy) -> tuple[ExplainedDecision, ...]:
    """One for each step that wrote a section, in the order of their versions."""
    steps = groupby(facts.writes, key=lambda row: (row.version, row.branch, row.step))
    return tuple(_decision(facts, list(written), policy) for _, written in steps)


def _decision(facts: CaseFacts, rows: list[TrailRow], policy: RefundPolicy) -> ExplainedDecision:
    first = rows[0]
    fields = first.fields
    saw = _saw(facts, first, fields.get("saw"))
    return ExplainedDecision(
        checkpoint_id=facts.place(first.version),
        version=first.version,
        at=first.at,
        who=first.actor,
        step=first.step,
        status=first.status,
        reason=fields.get("reason", ""),
        wrote=tuple(_written(row) for row in rows),
        saw=saw,
        model=_model(fields),
        ruling=_ruling(rows, policy),
        gaps=tuple(_gaps(facts, rows, saw)),
    )


def _written(row: TrailRow) -> Written:
    name = row.section or ""
    return Written(
        section=name,
        version=row.version,
        previous=row.old_version,
        value=None if is_scratch(name) else row.value,
        archived=tuple(_references(row.value)),
        audit=AuditRef.of(row),
    )


def _references(value: JsonValue) -> Iterable[str]:
    """The digests of the archived texts that a value refers to."""
    if isinstance(value, dict):
        if set(value) == _REFERENCE:
            yield str(value["digest"])
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def _saw(facts: CaseFacts, row: TrailRow, recorded: str | None) -> Saw | None:
    """What the step's agent saw; None for what no agent decided."""
    agent = _AGENT_STEP.fullmatch(row.step)
    if agent is None or agent[1] != row.actor:
        return None
    known = recorded is not None and recorded.isdecimal()
    version = int(recorded) if recorded and known else row.version - 1
    newest = {
        name: written[bisect_right(written, version) - 1]
        for name, written in facts.versions.items()
        if written[0] <= version and (not is_scratch(name) or _owner(name) == agent[1])
    }
    messages = bisect_right(facts.messages, version)
    return Saw(
        recorded=known,
        checkpoint_id=facts.place(version) if version else None,
        version=version,
        sections=dict(sorted(newest.items())),
        messages=messages,
        messages_pruned=max(0, messages - KEPT_MESSAGES),
    )


def _owner(scratch: str) -> str:
    return scratch.rpartition(".")[0]


def _model(fields: Mapping[str, str]) -> ModelUse | None:
    if "model" not in fields:
        return None
    return ModelUse(
        model=fields["model"], prompt_hash=fields.get("prompt_hash"), tokens=fields.get("tokens")
    )


def _ruling(rows: Iterable[TrailRow], policy: RefundPolicy) -> Ruling | None:
    """The rule that stands in the policy's section, with the limit of exactly that policy."""
    value = next((row.value for row in rows if row.section == PolicySection.name), None)
    section = typed(PolicySection, value)
    if section is None:
        return None
    known = section.policy_version == policy.version
    amount = section.amount
    needed = policy.approvers_needed(amount) if amount and known else 1
    return Ruling(
        decision=section.decision,
        rule=section.rule,
        policy_version=section.policy_version,
        policy_known=known,
        amount=amount,
        limit=policy.limit(amount.currency) if amount and known else None,
        limit_days=policy.limit_days if known else None,
        approvals_needed=needed if section.approval_required else 0,
    )


def _gaps(facts: CaseFacts, rows: Iterable[TrailRow], saw: Saw | None) -> Iterable[str]:
    for row in rows:
        where = facts.place(row.version)
        if not row.intact:
            yield f"{where}: the value of {row.section} was changed or is gone"
        if row.checkpoint_at is None:
            yield f"{where}: the checkpoint of {row.step} is gone"
        for digest in _references(row.value):
            if digest not in facts.archived:
                yield f"{where}: the long text {digest[:12]} is gone"
        if saw and saw.version >= row.version:
            yield f"{where}: it says that it saw {saw.checkpoint_id}, which came later"
