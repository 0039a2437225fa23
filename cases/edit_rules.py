"""What an edit brings with it, so that a section does not contradict itself.

A person edits one value and means what follows from it: another amount is another order, and a
decision for no action pays nothing.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import MAX_ORDERS, BillingSection, RefundOrder
from cases.effects import RefundSection
from cases.errors import InvalidInput
from cases.ids import check_identifier
from cases.money import MAX_MINOR, Money, total
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseState

_BY = "edited"
_WHY = "Edited on a branch."

#: What says what was really asked, decided or sent: no edit makes that up.
_KEPT = {
    "account": ("reset_sent",),
    "approval": ("approval_id", "digest", "amount", "decided_by"),
    "resolution": ("sent",),
}
#: How a request to a person can be taken to have ended.
_VERDICTS = (ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.EXPIRED)

Paying = TypeVar("Paying", BillingSection, PolicySection)
S = TypeVar("S", bound=Section)


def consistent(old: Section, new: Section, edited: frozenset[str]) -> Section:
    """The section with what follows from the edits of those keys; raises InvalidInput.

    billing: one order follows `refundable`, and `refundable` the orders; at 0 there are none.
    policy: one order follows `amount`, and `amount` the orders. A `decision` for a refund needs no
    person; one for no action or for a person pays nothing. The rule is "edited".
    approval: a verdict is nobody's.
    Whatever was edited itself stays as it was edited, or is refused.
    """
    _check_kept(old, new)
    match new:
        case BillingSection():
            return _billing(new, edited)
        case PolicySection():
            return _policy(new, edited)
        case ApprovalSection() if isinstance(old, ApprovalSection) and new.state is not old.state:
            return _approval(new, edited)
        case _:
            return new


def without_request(state: CaseState, changed: Mapping[str, Section]) -> ApprovalSection | None:
    """The request to a person as void, where the edited policy needs none any more; else None."""
    before, after = state.get(PolicySection), changed.get(PolicySection.name)
    approval = None if ApprovalSection.name in changed else state.get(ApprovalSection)
    if approval is None or before is None or not isinstance(after, PolicySection):
        return None
    if not before.approval_required or after.approval_required or state.get(RefundSection):
        return None
    return approval.model_copy(update={"state": ApprovalState.VOID})


def _check_kept(old: Section, new: Section) -> None:
    for key in _KEPT.get(old.name, ()):
        if getattr(old, key) != getattr(new, key):
            raise InvalidInput(f"{old.name}.{key}", "says what was really done: it stays")


def _approval(new: ApprovalSection, edited: frozenset[str]) -> ApprovalSection:
    if new.state not in _VERDICTS:
        allowed = ", ".join(_VERDICTS)
        raise InvalidInput("approval.state", f"nobody is asked on a branch: take one of {allowed}")
    return _with(new, edited, decided_by=(), note=_WHY)


def _billing(new: BillingSection, edited: frozenset[str]) -> BillingSection:
    if not edited & {"refundable", "orders"}:
        return new
    new = _agreeing(new, "refundable", edited)
    status = new.status
    if new.orders and status in ("nothing_found", "already_refunded"):
        status = "duplicates_found"
    elif not new.orders and status == "duplicates_found":
        status = "already_refunded" if new.past_refunds else "nothing_found"
    return _with(new, edited, status=status)


def _policy(new: PolicySection, edited: frozenset[str]) -> PolicySection:
    if not edited & {"decision", "amount", "orders", "approval_required"}:
        return new
    if "decision" in edited:
        new = _with(new, edited, **_decided(new, edited))
    if edited & {"amount", "orders"}:
        new = _agreeing(new, "amount", edited)
    pays = new.decision is Decision.REFUND or new.approval_required
    if new.decision is Decision.NO_ACTION and new.approval_required:
        raise InvalidInput("policy.approval_required", "no_action asks nobody")
    if pays and not new.orders:
        raise InvalidInput(
            "policy.orders", "there is none to pay: set them, or policy.decision=no_action"
        )
    if new.orders and not pays:
        problem = f"{new.decision} pays nothing: leave it out, or set policy.decision=refund"
        raise InvalidInput("policy.orders" if "orders" in edited else "policy.amount", problem)
    return _with(new, edited, rule=_BY, reason=_WHY)


def _decided(new: PolicySection, edited: frozenset[str]) -> dict[str, Any]:
    """What follows from the decision alone."""
    asks_nobody = {"approval_required": False, "approval_id": None}
    if new.decision is Decision.REFUND or (new.approval_required and "approval_required" in edited):
        return asks_nobody
    return {"amount": None, "orders": (), **asks_nobody}


def _agreeing(section: Paying, key: str, edited: frozenset[str]) -> Paying:
    """The section with orders that come to its sum; raises InvalidInput where they do not."""
    wanted: Money | None = getattr(section, key)
    orders = section.orders
    if "orders" not in edited:
        orders = _following(section, key, wanted)
    _check_orders(section.name, orders)
    try:
        found = total([order.amount for order in orders])
    except ValueError as error:
        raise InvalidInput(f"{section.name}.orders", f"{error}: one currency only") from error
    if key in edited and (wanted or None) != found:
        problem = f"{wanted or 0} is not the sum of the orders, {found or 0}"
        raise InvalidInput(f"{section.name}.{key}", problem)
    if key not in edited:
        wanted = found or (Money.zero(wanted.currency) if wanted and key == "refundable" else None)
    return section.model_copy(update={key: wanted, "orders": orders})


def _following(
    section: BillingSection | PolicySection, key: str, wanted: Money | None
) -> tuple[RefundOrder, ...]:
    """The orders once the sum was edited alone."""
    if not wanted:
        return ()
    match section.orders:
        case (order,):
            return (order.model_copy(update={"amount": wanted}),)
        case ():
            problem = f"no order pays it: set {section.name}.orders"
        case several:
            problem = f"{len(several)} orders make it: set {section.name}.orders[0].amount"
    raise InvalidInput(f"{section.name}.{key}", problem)


def _check_orders(name: str, orders: tuple[RefundOrder, ...]) -> None:
    if len(orders) > MAX_ORDERS:
        raise InvalidInput(
            f"{name}.orders", f"has {len(orders)}, more than the {MAX_ORDERS} at once"
        )
    places: set[tuple[str, int]] = set()
    for number, order in enumerate(orders):
        where = f"{name}.orders[{number}]"
        if not 0 < order.amount.amount_minor <= MAX_MINOR:
            raise InvalidInput(f"{where}.amount", f"{order.amount} cannot be paid")
        if min(order.slot, order.attempt) < 1 or (order.anchor_charge, order.slot) in places:
            raise InvalidInput(where, "slot and attempt count from 1, and each slot is taken once")
        places.add((order.anchor_charge, order.slot))
        check_identifier(order.charge_id, f"{where}.charge_id")
        check_identifier(order.anchor_charge, f"{where}.anchor_charge")


def _with(section: S, edited: frozenset[str], **follows: Any) -> S:
    """The section with what follows, where it was not edited itself."""
    update = {key: value for key, value in follows.items() if key not in edited}
    return section.model_copy(update=update)
