"""Small values that tests start from; each names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cases.billing import BillingSection, Charge, ChargeStatus, RefundOrder, RefundRecord
from cases.money import Money
from cases.sections import Section
from cases.state import CaseState, Message, StepUpdate
from cases.understanding import Reason, UnderstandingSection

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def usd(amount: str) -> Money:
    return Money.parse(amount, "USD")


def charge(
    charge_id: str,
    amount: Money | None = None,
    *,
    after: timedelta = timedelta(0),
    refunds: tuple[RefundRecord, ...] = (),
    **fields: Any,
) -> Charge:
    """A captured charge of 49.99 USD at the same shop, so long after noon."""
    known: dict[str, Any] = {
        "customer_id": "cus_1",
        "merchant": "Northwind Music",
        "description": "Family plan",
        "status": ChargeStatus.CAPTURED,
        "created_at": NOON + after,
    }
    return Charge(
        charge_id=charge_id, amount=amount or usd("49.99"), refunds=refunds, **{**known, **fields}
    )


def paid_back(amount: str = "49.99", status: str = "succeeded") -> RefundRecord:
    return RefundRecord(amount=usd(amount), created_at=NOON + timedelta(days=1), status=status)


def order(charge_id: str = "ch_2", amount: Money | None = None, slot: int = 1) -> RefundOrder:
    return RefundOrder(
        charge_id=charge_id, amount=amount or usd("49.99"), anchor_charge="ch_1", slot=slot
    )


def duplicates(*orders: RefundOrder) -> BillingSection:
    """What billing finds for those orders, of one currency."""
    refundable = Money.zero(orders[0].amount.currency)
    for one in orders:
        refundable += one.amount
    return BillingSection(status="duplicates_found", refundable=refundable, orders=orders)


def needs(*topics: str, reason: Reason = Reason.DUPLICATE) -> UnderstandingSection:
    return UnderstandingSection(needs=topics, reason=reason, messages_read=1)


def case(*sections: Section, text: str = "I was charged twice.", **fields: Any) -> CaseState:
    """An open case, with its sections as separate steps would have written them."""
    request = Message(message_id="request", text=text, received_at=NOON)
    state = CaseState(case_id="case_1", customer_id="cus_1", **fields)
    state = state.after(StepUpdate(step="open", owner="intake", messages=(request,)), 1)
    for version, section in enumerate(sections, 2):
        step = StepUpdate(
            step=f"{section.name}:1", owner=section.owner, sections={section.name: section}
        )
        state = state.after(step, version)
    return state
