"""What another policy would have decided, by what was known then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.accounts import AccountSection
from cases.backtest import (
    CustomerRefund,
    PastCase,
    PolicyOutcome,
    SkippedCase,
    SkipReason,
    facts_then,
    rejudge,
    rejudge_all,
)
from cases.billing import BillingSection, RefundOrder
from cases.effects import EffectState
from cases.money import Money
from cases.policy import Decision, PolicySection, RefundPolicy
from cases.understanding import UnderstandingSection

THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
POLICY = RefundPolicy(version=2, limit_days=30, limits={"USD": 50_000})
DAY = timedelta(days=1)


def usd(minor: int) -> Money:
    return Money(amount_minor=minor, currency="USD")


def decided(decision: Decision = Decision.REFUND, **fields: Any) -> PolicySection:
    return PolicySection(decision=decision, rule="a_rule", reason="", policy_version=1, **fields)


def past(minor: int = 10_000, *refunds: CustomerRefund, **fields: Any) -> PastCase:
    """A case of a proven duplicate."""
    order = RefundOrder(charge_id="ch_2", amount=usd(minor), anchor_charge="ch_1", slot=1)
    billing = BillingSection(refundable=usd(minor), orders=(order,))
    given: dict[str, Any] = {
        "case_id": "case_1",
        "customer_id": "cus_1",
        "decided_at": THEN,
        "understanding": UnderstandingSection(needs=("billing",)),
        "billing": billing,
        "account": None,
        "decided": decided(amount=usd(minor)),
        "refunds": refunds,
    }
    return PastCase(**{**given, **fields})


def refund(minor: int = 45_000, **fields: Any) -> CustomerRefund:
    """One that another case of the customer was paid a day before."""
    given: dict[str, Any] = {
        "case_id": "case_0",
        "amount": usd(minor),
        "duplicate_group": "acct/ch_9/1",
        "alone": True,
        "state": EffectState.SUCCEEDED,
        "claimed_at": THEN - DAY,
        "settled_at": THEN - DAY,
    }
    return CustomerRefund(**{**given, **fields})


def outcome(case: PastCase, policy: RefundPolicy = POLICY) -> tuple[str, str]:
    judged = rejudge(case, policy)
    return PolicyOutcome.of(judged.after), judged.after.rule


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (decided(Decision.REFUND), "refund"),
        (decided(Decision.NO_ACTION), "no_action"),
        (decided(Decision.NEEDS_HUMAN), "person"),
        (decided(Decision.NEEDS_HUMAN, approval_required=True), "approval"),
    ],
)
def test_a_decision_has_one_of_four_outcomes(section: PolicySection, expected: str) -> None:
    assert PolicyOutcome.of(section) == expected


def test_the_other_policys_limit_decides_and_the_recorded_decision_is_what_it_is_held_against() -> (
    None
):
    assert outcome(past(50_000)) == ("refund", "proven_duplicate")
    judged = rejudge(past(50_001), POLICY)
    assert judged.outcomes == (PolicyOutcome.REFUND, PolicyOutcome.APPROVAL)
    assert judged.flips
    assert judged.after.policy_version == 2
    assert not rejudge(past(50_000), POLICY).flips


def test_what_the_policy_step_did_not_see_is_not_there_now_either() -> None:
    assert outcome(past(billing=None)) == ("person", "billing_missing")
    assert outcome(past(understanding=None)) == ("person", "not_ours")
    locked = AccountSection(locked=True)
    assert outcome(past(account=locked)) == ("person", "account_locked")


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"claimed_at": THEN}, True),
        ({"claimed_at": THEN + timedelta(seconds=1)}, False),
        ({"claimed_at": THEN - 30 * DAY + timedelta(seconds=1)}, True),
        ({"claimed_at": THEN - 30 * DAY}, False),
        ({"case_id": "case_1"}, False),
        ({"alone": False}, False),
        ({"state": EffectState.PENDING}, True),
        ({"state": EffectState.SENDING, "settled_at": None}, True),
        ({"state": EffectState.UNKNOWN}, True),
        ({"state": EffectState.REJECTED}, False),
        ({"state": EffectState.FAILED}, False),
        ({"state": EffectState.FAILED, "settled_at": THEN}, False),
        ({"state": EffectState.FAILED, "settled_at": THEN + timedelta(seconds=1)}, True),
    ],
    ids=str,
)
def test_a_refund_counts_towards_the_limit_as_it_did_then(
    fields: dict[str, Any], counts: bool
) -> None:
    facts = facts_then(past(10_000, refund(**fields)), 30)

    assert facts.refunded_lately == ({"USD": 45_000} if counts else {})
    assert outcome(past(10_000, refund(**fields)))[1] == (
        "above_limit" if counts else "proven_duplicate"
    )


def test_the_days_are_the_other_policys() -> None:
    old = refund(claimed_at=THEN - 10 * DAY)
    for days, rule in ((10, "proven_duplicate"), (11, "above_limit"), (10**20, "above_limit")):
        policy = POLICY.model_copy(update={"limit_days": days})
        assert outcome(past(10_000, old), policy)[1] == rule


def test_each_currency_is_summed_by_itself() -> None:
    euros = refund(amount=Money(amount_minor=45_000, currency="EUR"))

    facts = facts_then(past(10_000, euros, refund(1), refund(2)), 30)

    assert facts.refunded_lately == {"EUR": 45_000, "USD": 3}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"state": EffectState.REJECTED}, "failed_before"),
        ({"state": EffectState.FAILED}, "failed_before"),
        ({"state": EffectState.FAILED, "settled_at": THEN + DAY}, "proven_duplicate"),
        ({"state": EffectState.REJECTED, "case_id": "case_1"}, "proven_duplicate"),
        ({"state": EffectState.REJECTED, "duplicate_group": "acct/ch_1/2"}, "proven_duplicate"),
        ({"state": EffectState.REJECTED, "duplicate_group": "acct/xch_1/1"}, "proven_duplicate"),
        ({"state": EffectState.REJECTED, "duplicate_group": None}, "proven_duplicate"),
        ({"state": EffectState.REJECTED, "claimed_at": THEN - 400 * DAY}, "failed_before"),
    ],
    ids=str,
)
def test_a_refund_that_was_known_to_have_failed_is_tried_again_by_a_person_only(
    fields: dict[str, Any], rule: str
) -> None:
    one = refund(1, **{"duplicate_group": "acct/with/slash/ch_1/1", **fields})

    judged = rejudge(past(10_000, one), POLICY)

    assert judged.after.rule == rule
    assert judged.after.orders[0].attempt == (2 if rule == "failed_before" else 1)


def test_two_people_are_asked_above_the_second_limit() -> None:
    policy = POLICY.model_copy(update={"second_limits": {"USD": 60_000}})

    asked = [rejudge(past(minor), policy).approvers_needed for minor in (60_000, 60_001)]

    assert asked == [1, 2]


def test_what_is_really_paid_is_the_cases_own_and_on_its_way_or_done() -> None:
    own = [
        refund(number, case_id="case_1", state=state) for number, state in enumerate(EffectState)
    ]

    paid = {one.state for one in past(10_000, *own, refund()).paid()}

    assert paid == {EffectState.SUCCEEDED, EffectState.PENDING}


def test_a_case_that_cannot_be_judged_stays_as_it_is() -> None:
    skipped = SkippedCase(case_id="case_2", reason=SkipReason.DAMAGED)

    first, second = rejudge_all([past(), skipped], POLICY)

    assert first == rejudge(past(), POLICY)
    assert second is skipped
