"""What another refund policy would have decided about cases of the past.

Each case is judged alone, by what its policy step saw and by what the ledger held then. Nothing is
asked of anyone, and nothing is done.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from cases.accounts import AccountSection
from cases.approvals import ApprovalState
from cases.billing import BillingSection, RefundOrder
from cases.effects import EffectState
from cases.money import Money
from cases.policy import Decision, Facts, PolicySection, RefundPolicy, decide
from cases.records import Record
from cases.understanding import UnderstandingSection

_PAID_NOTHING = (EffectState.REJECTED, EffectState.FAILED)
_PAID = (EffectState.SUCCEEDED, EffectState.PENDING)


class PolicyOutcome(StrEnum):
    """What a decision means for the customer's money."""

    #: Paid without a person.
    REFUND = "refund"
    #: Paid if a person approves.
    APPROVAL = "approval"
    #: A person takes the case over.
    PERSON = "person"
    NO_ACTION = "no_action"

    @classmethod
    def of(cls, section: PolicySection) -> "PolicyOutcome":
        if section.decision is Decision.NEEDS_HUMAN:
            return cls.APPROVAL if section.approval_required else cls.PERSON
        return cls.REFUND if section.decision is Decision.REFUND else cls.NO_ACTION

    @property
    def about_money(self) -> bool:
        return self in (PolicyOutcome.REFUND, PolicyOutcome.APPROVAL)


class CustomerRefund(Record):
    """A refund of a case's customer, as the ledger has it now."""

    case_id: str
    amount: Money
    duplicate_group: str | None
    #: No person approved it.
    alone: bool
    state: EffectState
    claimed_at: datetime
    settled_at: datetime | None

    def had_come_to_nothing(self, at: datetime) -> bool:
        """Whether it was known then that nothing was paid: what failed later had not failed yet."""
        return self.state in _PAID_NOTHING and self.settled_at is not None and self.settled_at <= at

    def counted(self, at: datetime, days: int) -> bool:
        """Whether it counted towards the limit then."""
        # Days of any number, which a timedelta does not hold.
        recent = self.claimed_at <= at and (at - self.claimed_at).days < days
        return self.alone and recent and not self.had_come_to_nothing(at)


class PastCase(Record):
    """A case as its last policy step found it, what that step decided, and what came of it."""

    case_id: str
    customer_id: str
    decided_at: datetime
    understanding: UnderstandingSection | None
    billing: BillingSection | None
    account: AccountSection | None
    decided: PolicySection
    #: All of the customer's, in whatever case and at whatever time.
    refunds: tuple[CustomerRefund, ...] = ()
    #: Where the case's newest request to approve stands, and how many people it needs.
    approval: ApprovalState | None = None
    approvers_needed: int = 1

    def paid(self) -> list[CustomerRefund]:
        """What the case has really paid, or has on its way."""
        return [r for r in self.refunds if r.case_id == self.case_id and r.state in _PAID]


class SkipReason(StrEnum):
    """Why a case cannot be judged."""

    NOT_DECIDED = "not_decided"
    SCHEMA_TOO_NEW = "schema_too_new"
    DAMAGED = "damaged"
    ERASED = "erased"


class SkippedCase(Record):
    """A case that is not judged."""

    case_id: str
    reason: SkipReason


class JudgedCase(Record):
    """What was decided about a case, and what the other policy says."""

    case: PastCase
    after: PolicySection
    #: How many people the other policy asks.
    approvers_needed: int

    @property
    def outcomes(self) -> tuple[PolicyOutcome, PolicyOutcome]:
        return PolicyOutcome.of(self.case.decided), PolicyOutcome.of(self.after)

    @property
    def flips(self) -> bool:
        before, after = self.outcomes
        return before is not after


def facts_then(case: PastCase, limit_days: int) -> Facts:
    """What a policy with so many days would have looked at when the case was decided."""
    others = [r for r in case.refunds if r.case_id != case.case_id]
    lately: Counter[str] = Counter()
    for refund in others:
        if refund.counted(case.decided_at, limit_days):
            lately[refund.amount.currency] += refund.amount.amount_minor
    failed = [r for r in others if r.had_come_to_nothing(case.decided_at)]
    orders = case.billing.orders if case.billing else ()
    return Facts(
        understanding=case.understanding or UnderstandingSection(),
        billing=case.billing,
        account=case.account,
        refunded_lately=dict(lately),
        came_to_nothing={(o.anchor_charge, o.slot): _attempts(o, failed) for o in orders},
    )


def rejudge(case: PastCase, policy: RefundPolicy) -> JudgedCase:
    """Apply another policy to what was known then."""
    after = decide(facts_then(case, policy.limit_days), policy)
    needed = policy.approvers_needed(after.amount) if after.amount else 1
    return JudgedCase(case=case, after=after, approvers_needed=needed)


def rejudge_all(
    cases: Iterable[PastCase | SkippedCase], policy: RefundPolicy
) -> list[JudgedCase | SkippedCase]:
    """Judge those that can be judged; the others stay as they are."""
    return [rejudge(case, policy) if isinstance(case, PastCase) else case for case in cases]


def _attempts(order: RefundOrder, failed: Iterable[CustomerRefund]) -> int:
    # A group is named with the provider's account, which no provider is asked for here.
    place = f"/{order.anchor_charge}/{order.slot}"
    return sum(1 for refund in failed if (refund.duplicate_group or "").endswith(place))
