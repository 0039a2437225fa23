"""A decision is bound to exactly what was shown."""

from datetime import timedelta
from typing import Any

import pytest

from cases.approvals import (
    EXPIRES_AFTER,
    REMIND_AFTER,
    ApprovalRequest,
    request_approval,
)
from cases.money import Money
from tests.samples import order, usd

SHOWN: dict[str, Any] = {
    "case_id": "case_1",
    "branch": "main",
    "amount": usd("612.00"),
    "orders": (order(amount=usd("612.00")),),
    "policy": (1, "above_limit"),
    "evidence": "e1",
}


def request(**changed: Any) -> ApprovalRequest:
    return request_approval(**{**SHOWN, **changed})


def test_the_same_facts_make_the_same_request() -> None:
    assert request() == request()
    assert request().approval_id == f"apr_{request().digest[:24]}"


def test_the_digest_is_the_one_that_open_requests_carry() -> None:
    """To change it is to void every request that waits for a person."""
    assert request().digest == ("e542fd049b7aca603c319b1fcd7733c34fc2a0bba6434fe4c606f0b15e820494")


@pytest.mark.parametrize(
    "changed",
    [
        {"case_id": "case_2"},
        {"branch": "what-if"},
        {"amount": usd("612.01")},
        {"amount": Money.parse("612.00", "EUR")},
        {"orders": (order("ch_3", usd("612.00")),)},
        {"orders": (order(amount=usd("611.99")),)},
        {"orders": (order(amount=usd("612.00"), slot=2),)},
        {"orders": ()},
        {"policy": (2, "above_limit")},
        {"evidence": "e2"},
    ],
    ids=lambda changed: str(changed)[:50],
)
def test_any_changed_fact_makes_another_request(changed: dict[str, Any]) -> None:
    assert request(**changed).digest != request().digest
    assert request(**changed).approval_id != request().approval_id


def test_the_order_of_two_refunds_is_part_of_what_was_shown() -> None:
    one, two = order("ch_2"), order("ch_3", slot=2)

    assert request(orders=(one, two)).digest != request(orders=(two, one)).digest


def test_approvers_are_reminded_before_the_request_expires() -> None:
    assert timedelta(hours=24) == REMIND_AFTER
    assert timedelta(hours=72) == EXPIRES_AFTER
