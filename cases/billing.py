"""Charges, and when two of them are one charge too many."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field, SerializerFunctionWrapHandler, model_serializer

from cases.duplicates import Group, find_groups, find_half_described, ids
from cases.money import Money, total
from cases.records import Record
from cases.sections import Section
from cases.sizes import REPORT_BYTES, encoded_size

#: A refund with one of these states paid nothing back.
ENDED_UNPAID = frozenset(["failed", "canceled"])

#: More refunds than this at once are no slip of the provider, and a loss if we are wrong: a person
#: must look, and nothing is paid by itself.
MAX_ORDERS = 50


class ChargeStatus(StrEnum):
    CAPTURED = "captured"
    PENDING = "pending"
    REVERSED = "reversed"
    DISPUTED = "disputed"


class RefundRecord(Record):
    """A refund that the provider has on record for a charge."""

    amount: Money
    created_at: AwareDatetime
    status: str
    #: The provider's own id of it.
    receipt: str | None = None
    #: The key of ours that it carries, if any.
    key: str | None = None

    @property
    def stands(self) -> bool:
        """Paid back or on its way. A status that we do not know counts: rather that than twice."""
        return self.status not in ENDED_UNPAID


class Charge(Record):
    """A charge as the provider has it."""

    charge_id: str
    customer_id: str
    amount: Money
    merchant: str
    description: str
    created_at: AwareDatetime
    status: ChargeStatus
    refunds: tuple[RefundRecord, ...] = ()

    @property
    def refunded(self) -> Money:
        """What was paid back or is on its way back."""
        on_the_way = [r.amount for r in self.refunds if r.stands]
        return total(on_the_way) or Money.zero(self.amount.currency)

    @property
    def refundable(self) -> Money:
        """What was captured and not yet paid back."""
        if self.status is not ChargeStatus.CAPTURED:
            return Money.zero(self.amount.currency)
        return self.amount - self.refunded


class RefundOrder(Record):
    """One refund to make: which charge, how much, and its place in its duplicate group."""

    charge_id: str
    amount: Money
    #: The earliest charge of the group, which stays paid.
    anchor_charge: str
    #: Which twin of the anchor this is: 1, 2, ... Part of the idempotency key.
    slot: int
    #: 1, or more where earlier refunds of it came to nothing: rises only with a person's approval.
    attempt: int = 1

    @model_serializer(mode="wrap")
    def _without_first_attempt(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write no first attempt: digests from before attempts were counted hold."""
        fields: dict[str, Any] = dump(self)
        return {k: v for k, v in fields.items() if (k, v) != ("attempt", 1)}


class PastRefund(Record):
    """A refund already on record for a duplicate: answered with its date, never repeated."""

    charge_id: str
    amount: Money
    refunded_at: datetime


class BillingSection(Section):
    """What the billing agent found in the provider's records."""

    name: ClassVar[str] = "billing"
    owner: ClassVar[str] = "billing"

    customer_known: bool = True
    charges_seen: int = 0
    duplicates: tuple[tuple[str, ...], ...] = ()
    refundable: Money | None = None
    orders: tuple[RefundOrder, ...] = ()
    past_refunds: tuple[PastRefund, ...] = ()
    #: Why a person must look, in words; empty where the records are clear.
    doubts: tuple[str, ...] = ()
    #: The charges that the customer names, by id, order or amount, among those on record.
    meant: tuple[str, ...] = Field(default=(), exclude_if=lambda ids: not ids)

    @classmethod
    def of_locked_account(cls) -> "BillingSection":
        """Nothing was looked at: a person takes the case over, and the answer reveals nothing."""
        return cls(status=_LOCKED, doubts=("The account is locked.",))

    @property
    def locked(self) -> bool:
        return self.status == _LOCKED


_LOCKED = "locked"


def examine_charges(charges: Iterable[Charge], meant: tuple[str, ...] = ()) -> BillingSection:
    """Find duplicates and what is refundable of them, by the provider's records alone.

    Where the customer means other charges than those, that is a doubt, and no evidence.
    """
    known = sorted(charges, key=lambda charge: (charge.created_at, charge.charge_id))
    paid = [charge for charge in known if _was_paid(charge)]
    groups, doubts = find_groups(paid), find_half_described(paid)
    orders: list[RefundOrder] = []
    past: list[PastRefund] = []
    for group in groups:
        found, refunds, doubt = _settle(group)
        orders += found
        past += refunds
        doubts += doubt
    if len({order.amount.currency for order in orders}) > 1:
        doubts.append("The duplicates are in more than one currency.")
    doubts += _meant_others(meant, groups) if orders else []
    if doubts and orders:
        proven = ", ".join(order.charge_id for order in orders)
        doubts.append(f"Proven to be one too many: {proven}.")
    section = BillingSection(
        status=_status(orders, past, doubts),
        charges_seen=len(known),
        duplicates=tuple(tuple(charge.charge_id for charge in group.charges) for group in groups),
        refundable=_refundable(orders, known),
        orders=tuple(orders),
        past_refunds=tuple(past),
        doubts=tuple(doubts),
        meant=meant,
    )
    return _bounded(section)


def _meant_others(meant: tuple[str, ...], groups: Iterable[Group[Charge]]) -> list[str]:
    found = {charge.charge_id for group in groups for charge in group.charges}
    if not meant or found & set(meant):
        return []
    return [f"The customer names {', '.join(meant)}, and other charges are the duplicates."]


def _bounded(section: BillingSection) -> BillingSection:
    """The section, or a doubt instead of findings that are too many to act on."""
    if len(section.orders) > MAX_ORDERS:
        doubt = f"{len(section.orders)} charges look refundable: more than {MAX_ORDERS} at once."
    elif encoded_size(section.name, section) > REPORT_BYTES:
        doubt = "The records hold too many findings to act on."
    else:
        return section
    return BillingSection(
        status="needs_human",
        charges_seen=section.charges_seen,
        doubts=(f"{doubt} A person must look.",),
    )


def _status(orders: list[RefundOrder], past: list[PastRefund], doubts: list[str]) -> str:
    if doubts:
        return "needs_human"
    if orders:
        return "duplicates_found"
    return "already_refunded" if past else "nothing_found"


def _refundable(orders: list[RefundOrder], known: Sequence[Charge]) -> Money | None:
    if len({order.amount.currency for order in orders}) > 1:
        return None
    nothing = Money.zero(known[0].amount.currency) if known else None
    return total([order.amount for order in orders]) or nothing


def _was_paid(charge: Charge) -> bool:
    """A pending or reversed charge took no money, so it cannot be one too many."""
    took = charge.status in (ChargeStatus.CAPTURED, ChargeStatus.DISPUTED)
    return took and charge.amount.amount_minor > 0


def _settle(group: Group[Charge]) -> tuple[list[RefundOrder], list[PastRefund], list[str]]:
    """What is refundable of a group. Of a habit nothing is: a person must say."""
    orders, past, doubts = _settle_group(group.charges)
    if orders and group.doubt:
        return [], past, [group.doubt]
    return orders, past, doubts


def _settle_group(
    group: Sequence[Charge],
) -> tuple[list[RefundOrder], list[PastRefund], list[str]]:
    """Of a group all but the earliest are refundable, once; what was refunded counts."""
    if any(charge.status is ChargeStatus.DISPUTED for charge in group):
        return [], [], [f"A charge of {ids(group)} is disputed at the bank."]
    past = [past for charge in group for past in _past_refunds(charge)]
    if any(charge.refunded and charge.refundable for charge in group):
        return [], past, [f"A charge of {ids(group)} was refunded in part."]
    paid_back = sum(1 for charge in group if not charge.refundable)
    open_twins = [(slot, twin) for slot, twin in enumerate(group) if slot and twin.refundable]
    orders = [
        RefundOrder(
            charge_id=twin.charge_id,
            amount=twin.refundable,
            anchor_charge=group[0].charge_id,
            slot=slot,
        )
        for slot, twin in open_twins[: max(0, len(group) - 1 - paid_back)]
    ]
    return orders, past, []


def _past_refunds(charge: Charge) -> list[PastRefund]:
    return [
        PastRefund(charge_id=charge.charge_id, amount=r.amount, refunded_at=r.created_at)
        for r in charge.refunds
        if r.stands
    ]
