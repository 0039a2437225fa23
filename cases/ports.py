"""What the core needs from outside, in its own words. Stores and gateways fit these shapes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from cases.accounts import Account
from cases.approvals import Approval, ApprovalState
from cases.billing import Charge
from cases.effects import Claim, Effect, EffectIntent, Outcome, ProviderRefund
from cases.rates import Rate
from cases.records import Record
from cases.sizes import Archived
from cases.state import CaseState, Message, StepUpdate
from cases.tasks import TaskKind


class Committed(Record):
    """A step is on record: the version it made, also when an earlier attempt had made it."""

    version: int
    #: The step was on record before this call.
    repeated: bool = False


class Dossier(Record):
    """What a decision about money is made from: always the durable record, never the hot copy."""

    state: CaseState
    #: Minor units by currency that the customer got without a person, other cases only.
    refunded_lately: dict[str, int]
    #: By duplicate group: how many refunds of other cases were tried and came to nothing.
    came_to_nothing: dict[str, int] = Field(default_factory=dict[str, int])


class Payments(Protocol):
    """A payment provider. Its answers are values: an unknown outcome is returned, not raised."""

    @property
    def account(self) -> str:
        """The provider account, part of every refund's key."""
        ...

    async def find_charges(self, customer_id: str) -> Sequence[Charge]: ...

    async def refund(self, intent: EffectIntent) -> Outcome:
        """Pay back part or all of a charge under the intent's key."""
        ...

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """The refund that carries the intent's key, or None where the provider has none.

        It looks at the refunds themselves, which keep the key for ever, and not at what the
        provider remembers of requests. Raises GatewayUnavailable.
        """
        ...

    def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        """All refunds that were made since then, ours or not. Raises GatewayUnavailable."""
        ...


class Accounts(Protocol):
    """The customers' accounts."""

    async def find(self, customer_id: str) -> Account | None: ...

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome: ...

    async def revoke_reset(self, intent: EffectIntent) -> Outcome:
        """Make the link of the reset mail of that customer and case useless, used or not."""
        ...

    async def unlock(self, intent: EffectIntent) -> Outcome: ...

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """What became of the intent, or None where nothing did. Raises GatewayUnavailable."""
        ...


class Mail(Protocol):
    """Sends the answer to the customer, and notices to approvers; the same key sends once."""

    async def send_answer(self, intent: EffectIntent) -> Outcome: ...

    async def send_notice(self, intent: EffectIntent) -> Outcome:
        """Tell the approvers; the intent's content is the text."""
        ...

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """What became of the intent, or None where nothing did. Raises GatewayUnavailable."""
        ...


class CaseStore(Protocol):
    """The durable record of cases. Every write is one transaction, and a repeat is a no-op."""

    async def open(
        self, case_id: str, branch: str, customer_id: str, request: Message, *, opened_by: str = ""
    ) -> Committed:
        """Put the case on record; raises CaseAlreadyExists for another request under the id."""
        ...

    async def load(self, case_id: str, branch: str, *, at: int | None = None) -> CaseState:
        """The state now, or as it was at a version; raises CaseNotFound."""
        ...

    async def commit(
        self, case_id: str, branch: str, updates: Sequence[StepUpdate], expected: Mapping[str, int]
    ) -> Committed:
        """Store the steps' updates with version check, audit and checkpoints.

        `expected` holds the version at which each written section was last written (0: never).
        Raises ConcurrentModification, ForeignWrite.
        """
        ...

    async def read_back(self, case_id: str, archived: Archived) -> str:
        """A long text from the archive; raises DamagedBody."""
        ...

    async def load_dossier(
        self, case_id: str, branch: str, *, at: int | None = None, limit_days: int = 30
    ) -> Dossier:
        """The state and what the customer was refunded lately; raises CaseNotFound."""
        ...


class EffectLedger(Protocol):
    """The rows that stand before and after everything that happens outside."""

    async def claim(self, intent: EffectIntent) -> tuple[EffectIntent, Claim]:
        """Commit the intent, or say what became of it; returns the intent as first claimed."""
        ...

    async def settle(
        self,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: Mapping[str, int],
    ) -> Committed:
        """Commit the outcome and the case's step in one transaction."""
        ...

    async def settle_alone(self, intent: EffectIntent, outcome: Outcome) -> None:
        """Commit the outcome of an effect that is no step of its case."""
        ...

    async def resolve(self, key: str, outcome: Outcome, actor: str) -> bool:
        """Commit what was found out later about an open effect; whether it changed anything."""
        ...

    async def missed(self, intent: EffectIntent, apart: timedelta) -> bool:
        """Note that the outside has nothing of it; True if that was noted so long ago before.

        False where the ledger has no effect of that key.
        """
        ...

    async def find(self, key: str) -> Effect | None:
        """The row of an effect, or None."""
        ...

    async def own_refunds(self, case_id: str) -> frozenset[str]:
        """Keys and receipts of all that the case has paid back or is at paying back."""
        ...


class Approvals(Protocol):
    """Requests for a person's decision."""

    async def read(self, approval_id: str) -> Approval: ...

    async def close(self, state: CaseState, approval_id: str, end: ApprovalState) -> ApprovalState:
        """Expire or void an open request; one already decided stays, and its state is returned."""
        ...

    async def remind(self, approval_id: str) -> bool:
        """Note the one reminder; whether this call was it."""
        ...


class Journal(Protocol):
    """Puts on record what changes nothing."""

    async def note(
        self, case_id: str, branch: str, actor: str, event: str, detail: str, *, once: str = ""
    ) -> None:
        """An audit row without a change of the state; with a key, once."""
        ...


class Tasks(Protocol):
    """What is handed to people."""

    async def open(
        self, kind: TaskKind, subject: str, detail: str, *, case: tuple[str, str] | None = None
    ) -> str | None:
        """Hand something to a person; the task's id, or None if it was one before."""
        ...

    async def end_compensation(self, case_id: str, branch: str, name: str, problem: str) -> bool:
        """Commit that a step was undone, or by its problem that it was not: then it is a task."""
        ...


class EndedRun(Record):
    """A run that ended before its case did on record.

    Terminated, timed out or failed; or completed or cancelled, where the record has lost the end.
    """

    case_id: str
    branch: str
    how: str
    #: It was not the branch's own run, but its promotion's.
    promotion: bool = False

    @property
    def of_itself(self) -> bool:
        """Whether it had gone its whole way: it paid, sent and undid all that it had to."""
        return self.how in {"completed", "cancelled"}


class Runs(Protocol):
    """The cases' runs, as the engine has them. Raises GatewayUnavailable."""

    async def tell_decision(
        self, case_id: str, branch: str, approval_id: str, verdict: str
    ) -> bool:
        """Wake the case; False where no run of it is open any more."""
        ...

    def ended_since(self, since: datetime) -> AsyncIterator[EndedRun]:
        """The cases whose newest run was terminated, timed out or failed since then."""
        ...

    async def ended_of_itself(
        self, case_id: str, branch: str, *, promotion: bool
    ) -> EndedRun | None:
        """The newest run of the case, or of its promotion, if it completed or was cancelled."""
        ...

    async def is_open(self, case_id: str, branch: str) -> bool:
        """Whether a run of the case is open."""
        ...


class HotStore(Protocol):
    """A fast projection of the durable record. It may fail or forget: nobody depends on it."""

    async def read(self, case_id: str, branch: str) -> CaseState | None:
        """The whole copy, or None."""
        ...

    async def write(self, state: CaseState) -> bool:
        """Put the whole case; False where nothing was put."""
        ...

    async def merge(
        self, case_id: str, branch: str, updates: Sequence[tuple[StepUpdate, int]]
    ) -> bool:
        """Add committed steps, each with the version it made, to a copy that is there.

        False where none is there. Raises ForeignWrite, and then adds none of the steps.
        """
        ...

    async def drop(self, case_id: str, branch: str) -> None:
        """Forget a copy that the record has contradicted."""
        ...


class RateLimits(Protocol):
    """How often something may be done, over all workers."""

    async def take(self, limits: Mapping[str, Rate], cost: int = 1) -> timedelta:
        """Take from all of the limits by name, or from none; how long to wait, zero for "go on"."""
        ...

    async def pause(self, name: str, wait: timedelta) -> None:
        """Somebody was told to come back after that time: nobody comes before."""
        ...

    async def paused(self, name: str) -> timedelta:
        """How long the pause lasts, zero where there is none."""
        ...
