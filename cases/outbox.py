"""What is to be told of approval requests: decisions to their cases, the rest to the approvers."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from cases.approvals import ApprovalState, Verdict
from cases.effects import EffectIntent, EffectKind
from cases.ids import notice_key, promotion_of
from cases.money import Money
from cases.records import Record


class Occasion(StrEnum):
    """What is told: the first to the case itself, the others to the approvers."""

    DECISION = "decision"
    REQUEST = "request"
    REMINDER = "reminder"


class Waiting(Record):
    """One thing to tell, with what its request is by now."""

    id: int
    kind: Occasion
    approval_id: str
    asked: int
    case_id: str
    branch: str
    customer_id: str
    amount: Money
    needed: int
    expires_at: datetime
    state: ApprovalState
    #: The request was not asked anew since.
    current: bool
    #: The case has ended: nothing but a promotion is decided about it any more.
    closed: bool
    #: The branch that the request is about.
    promotes: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The decision that the case must hear of; None where there is none any more."""
        if self.closed or not self.current or self.state not in _DECIDED:
            return None
        return Verdict(self.state)

    @property
    def listener(self) -> tuple[str, str]:
        """What hears of the decision, as `cases.ids.workflow_id` names it."""
        if self.promotes is None:
            return self.case_id, self.branch
        return promotion_of(self.case_id), self.promotes

    @property
    def undecided(self) -> bool:
        """Whether approvers still have something to decide."""
        return self.current and not self.closed and self.state is ApprovalState.PENDING


_DECIDED = (ApprovalState.APPROVED, ApprovalState.DENIED)


class Outbox(Protocol):
    """What was not told yet."""

    def waiting(self, occasions: Collection[Occasion]) -> AsyncIterator[Waiting]:
        """All of these kinds, oldest first."""
        ...

    async def delivered(self, waiting: Waiting) -> None:
        """It was told, or need not be told any more; a repeat is harmless."""
        ...


def notice_intent(waiting: Waiting) -> EffectIntent:
    """The notice to the approvers: once for each time that a request waits, and once as reminder.

    Nothing in it is personal, and no word of it is the customer's or a model's.
    """
    case_id = waiting.case_id
    again = " still" if waiting.kind is Occasion.REMINDER else ""
    people = f" by {waiting.needed} people" if waiting.needed > 1 else ""
    what = f"A refund of {waiting.amount}"
    if waiting.promotes:
        what = f"The promotion of branch {waiting.promotes}, to pay or recover {waiting.amount},"
    until = waiting.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return EffectIntent(
        key=notice_key(waiting.approval_id, waiting.kind, waiting.asked),
        kind=EffectKind.NOTICE,
        case_id=case_id,
        branch=waiting.branch,
        customer_id=waiting.customer_id,
        content=(
            f"{what} in case {case_id}{again} waits to be decided{people}: "
            f"`casekeeper approve {case_id}` or `casekeeper deny {case_id}`. "
            f"Without a decision by {until} it is denied."
        ),
    )
