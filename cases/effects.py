"""Effects: whatever changes the world outside. Each is claimed, performed and settled once.

The claim is committed before the first byte leaves; the outcome is a value, also when it is
unknown. A key names the business fact, so that a retry, a reset, a fork and a second case about
the same charge all meet in one row.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from cases.billing import RefundOrder
from cases.ids import answer_key, refund_key, reset_key, revoke_key, unlock_key
from cases.money import Money
from cases.records import Record, digest_of
from cases.sections import Section
from cases.state import CaseStatus


class EffectKind(StrEnum):
    REFUND = "refund"
    #: What is paid on top of a refund that was too small, as a promoted branch wants it.
    CORRECTION = "correction"
    RESET_MAIL = "reset_mail"
    #: Takes a reset mail's link back: the compensation of the one above.
    RESET_REVOKED = "reset_revoked"
    UNLOCK = "unlock"
    ANSWER = "answer"
    #: Tells approvers that something waits for them.
    NOTICE = "notice"

    @property
    def moves_money(self) -> bool:
        return self in (EffectKind.REFUND, EffectKind.CORRECTION)


class Compensation(StrEnum):
    """How a step is undone, if the case is stopped before its refund."""

    WITHDRAW_REQUEST = "withdraw_request"
    REVOKE_RESET = "revoke_reset"


class EffectState(StrEnum):
    """Where an effect stands in the ledger.

    `sending`: claimed, and the outside may or may not have heard of it. `pending`: accepted, and
    decided later. `failed`: accepted, and later not carried out: the money is back. `unknown`: even
    looking did not tell, so a person must. `refused`: the ledger did not let it out. `simulated`: a
    branch wants it, and nobody has done it.
    """

    SENDING = "sending"
    SUCCEEDED = "succeeded"
    PENDING = "pending"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    SIMULATED = "simulated"

    @property
    def moved(self) -> bool:
        """Whether the outside may have changed: after such a refund a case only goes forward.

        On a branch it would have.
        """
        return self in _MOVED

    @property
    def done(self) -> bool:
        """Whether it is done, on a branch as if it were."""
        return self in _DONE


_DONE = frozenset({EffectState.SUCCEEDED, EffectState.SIMULATED})
_MOVED = _DONE | {EffectState.PENDING, EffectState.UNKNOWN}


class EffectIntent(Record):
    """What is to happen outside. Its parameters are frozen, by their digest, at the claim."""

    key: str
    kind: EffectKind
    case_id: str
    branch: str
    customer_id: str
    amount: Money | None = None
    charge_id: str | None = None
    #: The duplicate group's place that this refund takes: unique among all cases.
    duplicate_group: str | None = None
    #: The approval that the claim must find approved, and consumes.
    approval_id: str | None = None
    approval_digest: str | None = None
    #: Without an approval: the most the customer may have got within `limit_days`, this included.
    limit_minor: int | None = None
    limit_days: int = 30
    #: How it is undone if the case is stopped before its refund; stored by the claim.
    compensation: Compensation | None = None
    #: What else the outside is told, and the digest covers: the text of an answer, say.
    content: str = ""
    #: The branch whose promotion does it: the only thing that a case still does once that began.
    promotes: str | None = Field(default=None, exclude_if=lambda branch: branch is None)

    @property
    def parameters_digest(self) -> str:
        """Of what the outside would be told; a repeat with other parameters is another effect."""
        return digest_of(
            {
                "kind": self.kind,
                "customer": self.customer_id,
                "charge": self.charge_id,
                "amount": self.amount.model_dump(mode="json") if self.amount else None,
                "content": self.content,
            }
        )


class Outcome(Record):
    """What the outside answered."""

    state: EffectState
    #: The outside's own id of what it did.
    receipt: str | None = None
    #: Why it was rejected or refused, or why it is unknown: a short code such as "charge_disputed".
    code: str | None = None
    #: How long the outside asks to wait before it is called again.
    retry_after: timedelta | None = None

    @property
    def settled(self) -> bool:
        return self.state is not EffectState.SENDING


class Claim(Record):
    """The ledger's answer to an intent: go ahead, look first, or what it already came to."""

    outcome: Outcome
    #: How often it was claimed before: above 0 the outside may already have done it.
    earlier_attempts: int = 0
    #: When it was first claimed; None where it was refused.
    claimed_at: datetime | None = None

    @property
    def age(self) -> timedelta:
        """How long ago the outside may first have heard of it, by this machine's clock."""
        return datetime.now(UTC) - self.claimed_at if self.claimed_at else timedelta(0)


class Effect(Record):
    """A row of the ledger."""

    key: str
    kind: EffectKind
    case_id: str
    branch: str
    state: EffectState
    amount: Money | None
    charge_id: str | None
    receipt: str | None
    attempts: int
    claimed_at: datetime
    settled_at: datetime | None


class ProviderRefund(Record):
    """A refund as the provider lists it; `key` is the one that it carries of ours, if any."""

    receipt: str
    charge_id: str
    amount: Money
    state: EffectState
    created_at: datetime
    key: str | None = None


class RefundItem(Record):
    """One refund of a case and what came of it."""

    charge_id: str
    amount: Money
    state: EffectState
    receipt: str | None = None
    code: str | None = None


class RefundSection(Section):
    """The refunds of a case; `amount` is what was paid, is on its way, or would be on a branch."""

    name: ClassVar[str] = "refund"
    owner: ClassVar[str] = "refund"

    state: EffectState
    amount: Money
    charge_id: str
    receipt: str | None = None
    items: tuple[RefundItem, ...] = ()

    @classmethod
    def of(cls, items: tuple[RefundItem, ...]) -> "RefundSection":
        """The section of these refunds: the worst state of its items stands."""
        paid = [i.amount for i in items if i.state.done or i.state is EffectState.PENDING]
        amount = Money.zero(items[0].amount.currency)
        for one in paid:
            amount += one
        worst = max(items, key=lambda item: _CONCERN.index(item.state))
        return cls(
            state=worst.state,
            amount=amount,
            charge_id=items[0].charge_id,
            receipt=items[0].receipt,
            items=items,
        )


_CONCERN = [
    EffectState.SUCCEEDED,
    EffectState.SIMULATED,
    EffectState.PENDING,
    EffectState.SENDING,
    EffectState.REFUSED,
    EffectState.REJECTED,
    EffectState.FAILED,
    EffectState.UNKNOWN,
]


class ResolutionSection(Section):
    """The one answer that the customer gets."""

    name: ClassVar[str] = "resolution"
    owner: ClassVar[str] = "response"

    answer: str
    #: How the case ends once the answer is out.
    closes_as: CaseStatus
    sent: bool = False


def duplicate_group(provider_account: str, order: RefundOrder) -> str:
    """The place in a group of duplicate charges that a refund takes: unique among all cases."""
    return f"{provider_account}/{order.anchor_charge}/{order.slot}"


def refund_intent(
    order: RefundOrder,
    *,
    case_id: str,
    branch: str,
    customer_id: str,
    provider_account: str,
) -> EffectIntent:
    """The refund of one duplicate. The policy's limit or an approval is added by the caller."""
    return EffectIntent(
        key=refund_key(provider_account, order.anchor_charge, order.slot, order.attempt),
        kind=EffectKind.REFUND,
        case_id=case_id,
        branch=branch,
        customer_id=customer_id,
        amount=order.amount,
        charge_id=order.charge_id,
        duplicate_group=duplicate_group(provider_account, order),
    )


def reset_intent(*, case_id: str, branch: str, customer_id: str) -> EffectIntent:
    """One password reset mail for this customer and case."""
    key = reset_key(customer_id, case_id)
    return _of_case(EffectKind.RESET_MAIL, key, case_id, branch, customer_id)


def revoke_intent(*, case_id: str, branch: str, customer_id: str) -> EffectIntent:
    """Make the reset mail's link useless: the case was cancelled before anything came of it."""
    key = revoke_key(customer_id, case_id)
    return _of_case(EffectKind.RESET_REVOKED, key, case_id, branch, customer_id)


def unlock_intent(*, case_id: str, branch: str, customer_id: str) -> EffectIntent:
    """Unlock the account of the case's customer, as a person decided."""
    key = unlock_key(customer_id, case_id)
    return _of_case(EffectKind.UNLOCK, key, case_id, branch, customer_id)


def answer_intent(*, case_id: str, branch: str, customer_id: str, text: str) -> EffectIntent:
    """The answer of this case."""
    intent = _of_case(EffectKind.ANSWER, answer_key(case_id), case_id, branch, customer_id)
    return intent.model_copy(update={"content": text})


def _of_case(
    kind: EffectKind, key: str, case_id: str, branch: str, customer_id: str
) -> EffectIntent:
    return EffectIntent(key=key, kind=kind, case_id=case_id, branch=branch, customer_id=customer_id)
