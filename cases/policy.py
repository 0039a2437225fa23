"""The refund policy: rules over facts. The record decides, not what anyone claims.

The numbers are data (`refund_policy.toml`); every decision records the version it was made by.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from cases.accounts import AccountSection
from cases.billing import BillingSection, RefundOrder
from cases.errors import InvalidInput
from cases.money import Money
from cases.policy_file import PolicyFile, in_minor
from cases.records import Record
from cases.sections import Section
from cases.understanding import Reason, Topic, UnderstandingSection


class Decision(StrEnum):
    REFUND = "refund"
    NO_ACTION = "no_action"
    NEEDS_HUMAN = "needs_human"


class RefundPolicy(Record):
    """One version of the policy. Limits are in minor units, by currency."""

    version: Annotated[int, Field(ge=1)]
    #: How far back automatic refunds of a customer count towards the limit.
    limit_days: Annotated[int, Field(ge=1)]
    limits: dict[str, int]
    #: Above these, two different people must approve; a table for the same currencies, or none.
    second_limits: dict[str, int] = Field(default_factory=dict[str, int])

    @classmethod
    def from_toml(cls, text: str) -> "RefundPolicy":
        """Read a policy file; raises InvalidInput that names the field.

        Limits are written as decimal strings ("500.00"), so that no float ever holds money.
        """
        file = PolicyFile.from_toml(text)
        limits = in_minor("limits", file.limits)
        second = in_minor("second_limits", file.second_limits)
        for code in limits | second if second else ():
            if code not in limits:
                raise InvalidInput(f"second_limits.{code}", "is not among the limits")
            if second.get(code, -1) < limits[code]:
                raise InvalidInput(f"second_limits.{code}", "must be there and not below the limit")
        return cls(
            version=file.version, limit_days=file.limit_days, limits=limits, second_limits=second
        )

    def limit(self, currency: str) -> Money | None:
        """The largest sum refunded without a person, or None for a currency not in the table."""
        minor = self.limits.get(currency)
        return None if minor is None else Money(amount_minor=minor, currency=currency)

    def approvers_needed(self, amount: Money) -> int:
        """How many different people must approve that sum, if anyone must."""
        second = self.second_limits.get(amount.currency)
        return 1 if second is None or amount.amount_minor <= second else 2


class PolicySection(Section):
    """What is to be done about money, by which rule, and why."""

    name: ClassVar[str] = "policy"
    owner: ClassVar[str] = "policy"

    decision: Decision
    rule: str
    reason: str
    policy_version: int
    amount: Money | None = None
    orders: tuple[RefundOrder, ...] = ()
    #: The refund waits for a person's approval; without it nothing is paid.
    approval_required: bool = False
    approval_id: str | None = None


@dataclass(frozen=True)
class Facts:
    """What the policy looks at."""

    understanding: UnderstandingSection
    billing: BillingSection | None
    account: AccountSection | None
    #: What the customer got without a person within the policy's days, by currency.
    refunded_lately: dict[str, int]
    #: By anchor charge and slot: how many refunds of it were tried and came to nothing.
    came_to_nothing: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def orders(self) -> tuple[RefundOrder, ...]:
        """What billing found refundable, each with the number of its attempt."""
        return tuple(
            order.model_copy(update={"attempt": self._attempts(order) + 1})
            for order in (self.billing.orders if self.billing else ())
        )

    def tried_before(self) -> bool:
        """Whether any of it was tried before and came to nothing."""
        return any(self._attempts(order) for order in (self.billing.orders if self.billing else ()))

    def _attempts(self, order: RefundOrder) -> int:
        return self.came_to_nothing.get((order.anchor_charge, order.slot), 0)


#: What a person may approve; every other decision for a person is to take the case over.
_APPROVABLE = ("above_limit", "failed_before")

#: Reasons for which a duplicate in the records is what the customer means.
_MAY_MEAN_A_DUPLICATE = (Reason.DUPLICATE, Reason.UNSPECIFIED, Reason.REFUND_STATUS)


def decide(facts: Facts, policy: RefundPolicy) -> PolicySection:
    """Apply the rules in their order; the first that fits decides."""
    ruling = _about_people(facts) or _about_findings(facts) or _about_money(facts, policy)
    decision, rule, reason = ruling
    proposes = rule in ("proven_duplicate", *_APPROVABLE)
    return PolicySection(
        decision=decision,
        rule=rule,
        reason=reason,
        policy_version=policy.version,
        amount=facts.billing.refundable if facts.billing and proposes else None,
        orders=facts.orders() if proposes else (),
        approval_required=rule in _APPROVABLE,
    )


Ruling = tuple[Decision, str, str]


def _about_people(facts: Facts) -> Ruling | None:
    """Requests that a person takes over whatever the records say."""
    ruling = _about_the_customer(facts) or _about_the_request(facts)
    if ruling:
        return ruling
    for section in (facts.billing, facts.account):
        if section and section.failed:
            return _human(f"{section.name}_failed", f"The {section.name} agent found no answer.")
    return None


def _about_the_request(facts: Facts) -> Ruling | None:
    """What is not understood, or nothing that an agent can do."""
    if facts.understanding.failed:
        return _human("not_understood", "The request could not be understood.")
    issue = facts.account.issue if facts.account else ""
    if facts.understanding.unsure or issue == "not_sure":
        return _human("not_sure", "It is not certain what the customer wants.")
    if issue == "other":
        return _human("account_request", "The customer wants something done to the account.")
    if not facts.understanding.needs:
        return _human("not_ours", "The request is about neither billing nor the account.")
    return None


def _about_the_customer(facts: Facts) -> Ruling | None:
    """Where who writes may not be whose money it is."""
    for section in (facts.billing, facts.account):
        if section and not section.customer_known:
            return _human("unknown_customer", "The customer is not on record.")
    if any(section and section.locked for section in (facts.billing, facts.account)):
        return _human("account_locked", "The account is locked.")
    if facts.account and facts.account.issue == "wrong_mail":
        return _human(
            "wrong_mail", "Mail to the address on the account does not reach the customer."
        )
    return None


def _about_findings(facts: Facts) -> Ruling | None:
    """What the billing records say, before any amount."""
    billing = facts.billing
    if billing is None:
        return _without_billing(facts)
    if billing.doubts:
        return _human("doubtful", " ".join(billing.doubts))
    if facts.understanding.reason not in _MAY_MEAN_A_DUPLICATE:
        reason = facts.understanding.reason
        return _human("reason_needs_person", f"The customer's reason is {reason}.")
    if billing.orders:
        return None
    if billing.past_refunds:
        return Decision.NO_ACTION, "already_refunded", "The refund is already on record."
    return Decision.NO_ACTION, "nothing_found", "The records show no duplicate charge."


def _without_billing(facts: Facts) -> Ruling:
    if Topic.BILLING in facts.understanding.needs:
        return _human("billing_missing", "The billing records were not examined.")
    return Decision.NO_ACTION, "no_money_asked", "The request is not about money."


def _about_money(facts: Facts, policy: RefundPolicy) -> Ruling:
    """A proven duplicate: paid at once up to the limit, by a person's approval above it.

    Also where a refund of it failed before: the same money is tried again by a person only.
    """
    refund = facts.billing.refundable if facts.billing else None
    if refund is None:
        return _human("doubtful", "The refundable amount is not known.")
    limit = policy.limit(refund.currency)
    if limit is None:
        return _human("currency_not_covered", f"The policy has no limit in {refund.currency}.")
    if facts.tried_before():
        return _human("failed_before", "An earlier refund of this came to nothing.")
    lately = Money(
        amount_minor=facts.refunded_lately.get(refund.currency, 0), currency=refund.currency
    )
    if lately + refund > limit:
        return _human(
            "above_limit",
            f"{lately + refund} within {policy.limit_days} days is above the limit of {limit}.",
        )
    return (
        Decision.REFUND,
        "proven_duplicate",
        f"A duplicate proven by the provider's records; {lately + refund} is within {limit}.",
    )


def _human(rule: str, reason: str) -> Ruling:
    return Decision.NEEDS_HUMAN, rule, reason
