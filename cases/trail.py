"""What the record holds of a case, as an explanation reads it: rows, none of them judged yet."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, cast

from cases.billing import RefundOrder
from cases.effects import EffectIntent
from cases.errors import CaseError
from cases.ids import checkpoint_id
from cases.money import Money
from cases.records import Record
from cases.sections import Section

S = TypeVar("S", bound=Section)

#: The mode of what was really done.
DONE = "done"


class TrailRow(Record):
    """A row of the audit, with the value that it recorded and the checkpoint it belongs to."""

    branch: str
    seq: int
    version: int
    at: datetime
    actor: str
    event: str
    step: str
    section: str | None
    old_version: int | None
    detail: str
    hash: str
    #: Of the checkpoint of the row's step; None where there is none.
    status: str | None = None
    checkpoint_at: datetime | None = None
    value: Any = None
    #: Whether the value that is stored now is the one that was recorded.
    intact: bool = True

    @property
    def fields(self) -> dict[str, str]:
        """The detail by name; one that is only words is the reason."""
        return _fields(self.detail)


class LedgerRow(Record):
    """An effect of the ledger (`mode` is "done"), or what a branch wants (its EffectMode)."""

    key: str
    kind: str
    branch: str
    mode: str
    state: str
    receipt: str | None
    code: str | None
    amount: Money | None
    charge_id: str | None
    parameters_hash: str
    #: None where it cannot be read any more.
    intent: EffectIntent | None
    approval_id: str | None
    attempts: int
    claimed_at: datetime
    settled_at: datetime | None
    #: Where a branch stood when it asked; 0 for what was done before it began.
    version: int | None = None


class Vote(Record):
    """What one person said to a request; `asked` counts how often it had waited."""

    who: str
    verdict: str
    note: str
    at: datetime
    asked: int


class RequestRow(Record):
    """A request for a person's decision, with everything that was said to it."""

    approval_id: str
    branch: str
    digest: str
    amount: Money
    orders: tuple[RefundOrder, ...]
    rule: str
    state: str
    needed: int
    asked: int
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    consumed_by: tuple[str, ...]
    promotes: str | None
    requested_by: str
    votes: tuple[Vote, ...]


class TaskRow(Record):
    """A person's task about the case."""

    task_id: str
    kind: str
    subject: str
    detail: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    note: str


class CompensationRow(Record):
    """How something is undone if the case is stopped, and whether it was."""

    name: str
    state: str
    registered_at: datetime
    ended_at: datetime | None


class Line(Record):
    """A branch, or one that it comes from, with the highest version that belongs to it."""

    branch: str
    until: int


class CaseRow(Record):
    """The case itself."""

    case_id: str
    branch: str
    customer_id: str
    opened_by: str
    opened_at: datetime
    parent_branch: str | None
    parent_version: int | None
    forked_by: str | None


@dataclass(frozen=True)
class CaseFacts:
    """All of it. The trail was read first: what is newer than its last row came meanwhile."""

    case: CaseRow
    #: The branch first, then those that it comes from.
    lines: tuple[Line, ...]
    #: In the order of the lines, the oldest first.
    trail: tuple[TrailRow, ...]
    effects: tuple[LedgerRow, ...]
    requests: tuple[RequestRow, ...]
    tasks: tuple[TaskRow, ...]
    compensations: tuple[CompensationRow, ...]
    #: Digests of the long texts that are kept beside the sections.
    archived: frozenset[str]

    @cached_property
    def newest(self) -> datetime:
        """When the last row of the trail was written."""
        return max((row.at for row in self.trail), default=self.case.opened_at)

    @cached_property
    def writes(self) -> list[TrailRow]:
        """The rows that wrote a section, in the order of their versions."""
        found = [row for row in self.trail if row.event == "section_written"]
        return sorted(found, key=lambda row: (row.version, row.seq))

    @cached_property
    def versions(self) -> Mapping[str, list[int]]:
        """Of each section those at which it was written, ascending."""
        found: dict[str, list[int]] = {}
        for row in self.writes:
            found.setdefault(row.section or "", []).append(row.version)
        return found

    @cached_property
    def messages(self) -> list[int]:
        """The versions at which the customer said something, ascending.

        Other words of theirs, which a fork may have brought, replace what was said.
        """
        return sorted(
            row.version
            for row in self.trail
            if row.event == "message_received" and not row.step.startswith("fork:")
        )

    def before(self, moment: datetime) -> "CaseFacts":
        """The same with the rows of the trail that were there then."""
        return replace(self, trail=tuple(row for row in self.trail if row.at <= moment))

    def place(self, version: int) -> str:
        """The checkpoint of a version: of the line that made it."""
        owner = next((one for one in reversed(self.lines) if version <= one.until), self.lines[0])
        return checkpoint_id(owner.branch, version)

    def first_asked(self, row: LedgerRow) -> LedgerRow:
        """The row of the line that asked first for what a branch has inherited."""
        names = [line.branch for line in self.lines]
        for name in names[names.index(row.branch) + 1 :] if row.version == 0 else ():
            before = [one for one in self.effects if (one.branch, one.key) == (name, row.key)]
            if before:
                return self.first_asked(before[0])
        return row

    def written(self, section: str, until: int) -> TrailRow | None:
        """The row that wrote a section's newest version of those up to a version."""
        found = (row for row in reversed(self.writes) if row.version <= until)
        return next((row for row in found if row.section == section), None)


class AuditRef(Record):
    """A row of the audit, and the hash that proves it."""

    branch: str
    seq: int
    hash: str

    @property
    def place(self) -> tuple[str, int]:
        return self.branch, self.seq

    @classmethod
    def of(cls, row: TrailRow) -> "AuditRef":
        return cls(branch=row.branch, seq=row.seq, hash=row.hash)


class Event(Record):
    """Something on record that is no decision itself, and where the case stood then."""

    at: datetime
    who: str
    event: str
    subject: str
    detail: str
    checkpoint_id: str
    audit: AuditRef

    @property
    def reason(self) -> str:
        """The words of the detail, for people."""
        return _fields(self.detail).get("reason", "")

    @classmethod
    def of(cls, facts: CaseFacts, row: TrailRow) -> "Event":
        return cls(
            at=row.at,
            who=row.actor,
            event=row.event,
            subject=row.step,
            detail=row.detail,
            checkpoint_id=facts.place(row.version),
            audit=AuditRef.of(row),
        )


def typed(kind: type[S], value: Any) -> S | None:
    """A recorded value as its section; None where it cannot be read."""
    if not isinstance(value, Mapping):
        return None
    try:
        return kind.model_validate(dict(cast("Mapping[str, Any]", value)))
    except (ValueError, CaseError):
        return None


def _fields(detail: str) -> dict[str, str]:
    try:
        found = json.loads(detail)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return {"reason": detail}
    return {key: str(value) for key, value in cast("dict[str, object]", found).items()}
