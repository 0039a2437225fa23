"""Reconciliation: open effects are looked at, ended runs taken over, and the two sides compared."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from pydantic import Field, model_validator

from cases.comparison import Difference, DifferenceKind, LedgerEntry, Remedy
from cases.effects import EffectKind, EffectState
from cases.ports import EndedRun, Tasks
from cases.records import Record
from cases.tasks import TaskKind

#: A refund that its provider has not decided by then is a person's task.
PENDING_FOR_LONG = timedelta(days=30)
#: Open on record, and nothing for so long: what goes on by itself is retried within minutes, so its
#: run is asked for. Cases that wait for a person are among them, and their runs are open.
IDLE = timedelta(hours=1)
#: So many findings of a kind are listed in a report; the others are counted.
LISTED = 200
#: Who settles what was found by looking, in the audit, and who takes cases over.
RECONCILER = "reconciler"
#: The step with which the case of an ended run is closed.
TAKEN_OVER = "taken_over"


class ReconcileTask(Record):
    """Reconcile what is open; with days, also compare the refunds of so many days with the ledger.

    It is the input of a workflow that anyone can start: what cannot be used reads as 0 days.
    """

    compare_days: int = 0

    @model_validator(mode="before")
    @classmethod
    def _anything(cls, value: Any) -> dict[str, int]:
        days = cast("dict[str, Any]", value).get("compare_days") if isinstance(value, dict) else 0
        return {"compare_days": min(days, 3650) if type(days) is int and days > 0 else 0}


class EffectFinding(Record):
    """What looking at an open effect came to: it is settled, or a person's."""

    key: str
    kind: EffectKind
    case_id: str
    before: EffectState
    after: EffectState
    receipt: str | None = None
    remedy: Remedy = Remedy.SETTLED


class SettleReport(Record):
    """What looking at the open effects came to."""

    looked_at: int = 0
    settled: int = 0
    handed_over: int = 0
    #: Effects of which nobody knows the end yet: they are looked at again.
    waiting: int = 0
    #: How often the outside did not answer.
    unavailable: int = 0
    effects: tuple[EffectFinding, ...] = ()


class TakeoverReport(Record):
    """Cases whose run had ended before they had."""

    taken_over: int = 0
    #: Cases that could not be taken over this time, and are tried again at the next.
    left: int = 0
    cases: tuple[EndedRun, ...] = ()


class CompareReport(Record):
    """What comparing the provider's refunds with the ledger came to."""

    days: int = 0
    ours: int = 0
    theirs: int = 0
    counts: dict[DifferenceKind, int] = Field(default_factory=dict[DifferenceKind, int])
    #: What is not listed is counted.
    differences: tuple[Difference, ...] = ()
    #: Refunds that the provider's list lacks were looked up one by one; these were too many.
    looked_up: int = 0
    not_looked_up: int = 0
    for_people: int = 0


class ReconcileReport(Record):
    """What one run of the reconciliation came to."""

    open_effects: SettleReport
    ended_runs: TakeoverReport
    compared: CompareReport | None = None

    @property
    def needs_person(self) -> bool:
        compared = self.compared
        return bool(
            self.open_effects.handed_over
            or self.ended_runs.taken_over
            or self.ended_runs.left
            or (compared and (compared.for_people or compared.not_looked_up))
        )


class UnendedCase(Record):
    """The case of an ended run, as the record has it; without a customer it has none."""

    run: EndedRun
    customer_id: str | None = None


class OpenLine(Record):
    """A case or branch that is open on record, or a promotion of the branch that has begun."""

    case_id: str
    branch: str
    promotion: bool = False


#: Where the next page begins: behind this time and key.
Place = tuple[datetime, str]


class Entries(Protocol):
    """Reads the ledger in pages, oldest first."""

    async def open_effects(
        self, after: Place | None, *, older_than: timedelta, everything: bool
    ) -> Sequence[LedgerEntry]:
        """The next effects that are to be looked at: not again and again, unless for everything."""
        ...

    async def looked_at(self, key: str) -> None:
        """Note that the outside was asked and told nothing new."""
        ...

    async def of_case(self, case_id: str, branch: str) -> Sequence[LedgerEntry]:
        """All effects of a case."""
        ...

    async def of_keys(self, keys: Collection[str]) -> Sequence[LedgerEntry]:
        """The refunds of those keys that there are."""
        ...

    async def made_within(self, days: int, after: Place | None) -> Sequence[LedgerEntry]:
        """The next refunds of so many days that the ledger says were made."""
        ...

    async def unended(self, runs: Collection[EndedRun]) -> Sequence[UnendedCase]:
        """The cases of those runs that have not ended, or whose end no person was told of."""
        ...

    def idle(self, longer_than: timedelta) -> AsyncIterator[OpenLine]:
        """What is open on record, and on which nothing has gone on for so long."""
        ...

    async def is_finished(self, kind: TaskKind, subject: str) -> bool:
        """Whether a person has finished the task of that subject."""
        ...


class Handover(Tasks, Protocol):
    """What is handed to people, and what is to be undone of a case."""

    async def open_compensations(self, case_id: str, branch: str) -> Sequence[str]:
        """What is to be undone of a case, newest first."""
        ...
