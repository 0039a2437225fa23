"""Stripe's objects, as far as we read them, and what they are in our words."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from cases.billing import Charge, ChargeStatus, RefundRecord
from cases.effects import EffectState, Outcome, ProviderRefund
from cases.money import Currency, Money
from gateways.stripe.amounts import from_stripe

#: The names under which a refund keeps for ever what it was made for.
KEY, DIGEST, CASE = "casekeeper_key", "casekeeper_digest", "case_id"

_YEAR_9999 = 253_402_300_799

_STATES = {
    "succeeded": EffectState.SUCCEEDED,
    "pending": EffectState.PENDING,
    # The customer must do something first, such as name a bank account.
    "requires_action": EffectState.PENDING,
    "failed": EffectState.FAILED,
    "canceled": EffectState.FAILED,
}


class _Object(BaseModel):
    """Other fields are ignored: they come with every kind of payment, and with new ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: str
    amount: int
    currency: Currency
    created: int = Field(ge=0, le=_YEAR_9999)
    metadata: dict[str, str] | None = None

    @property
    def money(self) -> Money:
        return from_stripe(self.amount, self.currency)

    @property
    def created_at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)

    def noted(self, name: str) -> str:
        """A field of the metadata, or nothing."""
        return (self.metadata or {}).get(name, "")


class StripeRefund(_Object):
    """https://docs.stripe.com/api/refunds/object"""

    charge: str | None = None
    status: str | None = None

    @property
    def state(self) -> EffectState:
        return _STATES.get(self.status or "", EffectState.UNKNOWN)

    @property
    def outcome(self) -> Outcome:
        known = self.state is not EffectState.UNKNOWN
        return Outcome(
            state=self.state, receipt=self.id, code=None if known else "unexpected_answer"
        )

    @property
    def provider_refund(self) -> ProviderRefund:
        return ProviderRefund(
            receipt=self.id,
            charge_id=self.charge or "",
            amount=self.money,
            state=self.state,
            created_at=self.created_at,
            key=self.noted(KEY) or None,
        )

    @property
    def record(self) -> RefundRecord:
        return RefundRecord(
            amount=self.money,
            created_at=self.created_at,
            status=self.status or "unknown",
            receipt=self.id,
            key=self.noted(KEY) or None,
        )


class RefundList(BaseModel):
    """The refunds of a charge that came with it: the first few."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    data: list[StripeRefund]
    has_more: bool


class StripeCharge(_Object):
    """https://docs.stripe.com/api/charges/object"""

    status: str
    captured: bool
    disputed: bool = False
    refunded: bool = False
    amount_captured: int | None = None
    customer: str | None = None
    description: str | None = None
    calculated_statement_descriptor: str | None = None
    refunds: RefundList | None = None

    @property
    def was_captured(self) -> bool:
        """Whether the money was taken: of an uncaptured charge a refund gives up the rest."""
        return self.captured and self.status == "succeeded"

    def charge(self, refunds: Iterable[StripeRefund], account: str) -> Charge:
        """In our words; `account` is the merchant's name where the charge tells none."""
        told = self.noted("merchant") or self.calculated_statement_descriptor
        captured = self.amount if self.amount_captured is None else self.amount_captured
        amount = captured if self.was_captured else self.amount
        # An order's number tells two purchases apart.
        texts = [self.description, self.noted("order_id"), self.noted("invoice")]
        return Charge(
            charge_id=self.id,
            customer_id=self.customer or "",
            amount=from_stripe(amount, self.currency),
            merchant=told or account,
            description=" ".join(text for text in texts if text),
            created_at=self.created_at,
            status=self._status(),
            refunds=tuple(refund.record for refund in refunds),
        )

    def _status(self) -> ChargeStatus:
        if self.disputed:
            return ChargeStatus.DISPUTED
        if self.was_captured:
            return ChargeStatus.CAPTURED
        return ChargeStatus.REVERSED if self.refunded else ChargeStatus.PENDING
