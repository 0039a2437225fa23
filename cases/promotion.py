"""Promotion: what a branch wants done outside against what was done, and what follows from it.

Money is never charged back: what was paid too much is a person's, and the case is parked.
"""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from cases.billing import RefundOrder
from cases.effects import EffectIntent, EffectKind, EffectState
from cases.errors import Conflict
from cases.ids import MAIN, checkpoint_id
from cases.money import Money
from cases.records import Record, digest_of
from cases.state import CaseStatus

#: The rule that asks a person, and how the step is called with which a branch is promoted.
PROMOTION = "promotion"

_STANDING = frozenset({EffectState.SUCCEEDED, EffectState.PENDING})
_UNSURE = frozenset({EffectState.SENDING, EffectState.UNKNOWN})
#: A branch for which it came to this wants nothing.
_CAME_TO_NOTHING = frozenset({EffectState.REFUSED, EffectState.REJECTED, EffectState.FAILED})


class PromotionRefused(Conflict):
    """A branch cannot be promoted; the sentence says why."""


class PlanOutdated(Conflict):
    """The ledger holds something else since the plan was made: planning again helps."""

    retryable = True

    def __init__(self, case_id: str) -> None:
        super().__init__(f"The ledger of case {case_id} has changed: plan the promotion again.")


class Action(StrEnum):
    """What is to become of an effect."""

    KEEP = "keep"
    ADD = "add"
    #: The same refund, but another amount.
    CORRECT = "correct"
    CANNOT_BE_UNDONE = "cannot_be_undone"


class Known(Record):
    """An effect, wanted by the branch or done by the main line, and what came of it."""

    intent: EffectIntent
    state: EffectState
    receipt: str | None = None
    code: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it was done, or is on its way."""
        return self.state in _STANDING

    @property
    def came_to_nothing(self) -> bool:
        return self.state in _CAME_TO_NOTHING

    @property
    def group(self) -> str:
        """The duplicate whose refund it is, or tops up."""
        return self.intent.duplicate_group or self.intent.charge_id or self.intent.key


class PromotionFacts(Record):
    """A branch, the main line and both their effects, all of one moment."""

    case_id: str
    customer_id: str
    main_version: int
    #: The branch whose promotion the main line has begun to carry out.
    promoting: str | None
    branch: str
    base_version: int
    ended: bool
    promoted: bool
    status: CaseStatus
    forked_by: str = ""
    wanted: tuple[Known, ...] = ()
    done: tuple[Known, ...] = ()
    #: By duplicate group: how many refunds of it were tried and came to nothing, in any case.
    failed: dict[str, int] = Field(default_factory=dict[str, int])
    #: Differs as soon as the ledger holds anything else of the main line.
    mark: str = ""

    @property
    def begun(self) -> bool:
        """Whether this very promotion is being carried out."""
        return self.promoting == self.branch

    @property
    def unsure(self) -> tuple[Known, ...]:
        """Effects of the main line of which nobody knows what became."""
        return tuple(one for one in self.done if one.state in _UNSURE)


class PlanLine(Record):
    """One effect: what was done, what the branch wants, and what follows."""

    kind: EffectKind
    action: Action
    #: Under which it was done, or is to be done.
    key: str
    charge_id: str | None = None
    duplicate_group: str | None = None
    done: Money | None = None
    wanted: Money | None = None
    #: Positive: to be paid. Negative: paid too much.
    difference: Money | None = None
    attempt: int = 1

    @property
    def pays(self) -> bool:
        return self.difference is not None and self.difference.amount_minor > 0

    @property
    def recovers(self) -> bool:
        return self.difference is not None and self.difference.amount_minor < 0

    @property
    def leaves(self) -> bool:
        """Whether something is to be sent or paid."""
        return self.pays or (self.difference is None and self.action is Action.ADD)


class CorrectionPlan(Record):
    """What promoting a branch comes to."""

    case_id: str
    branch: str
    base_version: int
    lines: tuple[PlanLine, ...]

    @property
    def to_pay(self) -> Money | None:
        """None where no money is concerned at all."""
        return self._sum(line.difference for line in self.lines if line.pays)

    @property
    def to_recover(self) -> Money | None:
        """What was paid too much, as a positive sum."""
        owed = self._sum(line.difference for line in self.lines if line.recovers)
        return Money.zero(owed.currency) - owed if owed is not None else None

    @property
    def amount(self) -> Money | None:
        """What a person must approve; None where nothing is paid or recovered."""
        pay, recover = self.to_pay, self.to_recover
        return (pay + recover) or None if pay is not None and recover is not None else None

    @property
    def digest(self) -> str:
        """Binds an approval to exactly this plan."""
        return digest_of({"action": PROMOTION, **self.model_dump(mode="json")})

    @property
    def approval_id(self) -> str | None:
        """Of the request, where people must be asked."""
        return f"apr_{self.digest[:24]}" if self.amount else None

    @property
    def orders(self) -> tuple[RefundOrder, ...]:
        """What is paid, as an approval lists it."""
        return tuple(
            RefundOrder(
                charge_id=line.charge_id or "",
                amount=line.difference,
                anchor_charge=group_parts(line.duplicate_group)[1],
                slot=group_parts(line.duplicate_group)[2],
                attempt=line.attempt,
            )
            for line in self.lines
            if line.difference is not None and line.pays
        )

    def _sum(self, differences: Iterable[Money | None]) -> Money | None:
        known = [line.difference for line in self.lines if line.difference is not None]
        if not known:
            return None
        total = Money.zero(next((d for d in known if d), known[0]).currency)
        for difference in differences:
            total = total + difference if difference is not None else total
        return total


def check(facts: PromotionFacts) -> None:
    """Raise PromotionRefused for a branch that cannot be promoted, whatever it wants."""
    of_case = f"of case {facts.case_id}"
    if facts.branch == MAIN:
        raise PromotionRefused(f"{MAIN} is the main line {of_case} already.")
    if facts.promoted:
        raise PromotionRefused(f"Branch {facts.branch} {of_case} was promoted before.")
    if facts.promoting not in (None, facts.branch):
        raise PromotionRefused(f"The promotion of branch {facts.promoting} {of_case} is under way.")
    if not facts.ended:
        raise PromotionRefused(f"Branch {facts.branch} {of_case} has not ended yet.")
    if facts.main_version != facts.base_version:
        then = checkpoint_id(MAIN, facts.base_version)
        now = checkpoint_id(MAIN, facts.main_version)
        raise PromotionRefused(
            f"Branch {facts.branch} {of_case} is stale: when it was made the main line was at "
            f"{then}, now it is at {now}. Fork again."
        )


def describe_intent(intent: EffectIntent) -> str:
    """The effect for people: "refund of 49.99 USD for ch_2"."""
    about = f" of {intent.amount} for {intent.charge_id}" if intent.amount else ""
    return f"{intent.kind.replace('_', ' ')}{about}"


def group_parts(group: str | None) -> tuple[str, str, int]:
    """Provider account, anchor charge and slot of a duplicate group."""
    account, anchor, slot = (group or "").rsplit("/", 2)
    return account, anchor, int(slot)
