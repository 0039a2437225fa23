"""When a person must approve, and when two must."""

import re
from importlib.resources import files

import pytest

from cases.accounts import AccountSection
from cases.billing import BillingSection
from cases.errors import InvalidInput
from cases.money import Money
from cases.policy import Decision, Facts, PolicySection, RefundPolicy, decide
from tests.samples import duplicates, needs, order, usd

POLICY = RefundPolicy.from_toml(files("cases").joinpath("refund_policy.toml").read_text("utf-8"))
LIMITS = 'version = 1\nlimit_days = 30\n[limits]\nUSD = "500.00"\nJPY = "75000"\n'


def after_failures(
    failures: int, billing: BillingSection | None = None, account: AccountSection | None = None
) -> PolicySection:
    """The ruling where a refund of the order has come to nothing so often."""
    facts = Facts(
        understanding=needs("billing"),
        billing=billing or duplicates(order()),
        account=account,
        refunded_lately={},
        came_to_nothing={("ch_1", 1): failures},
    )
    return decide(facts, POLICY)


@pytest.mark.parametrize("failures", [1, 2, 7])
def test_what_failed_before_waits_for_a_person_and_counts_its_attempts(failures: int) -> None:
    section = after_failures(failures)

    assert (section.decision, section.rule) == (Decision.NEEDS_HUMAN, "failed_before")
    assert section.approval_required
    assert section.amount == usd("49.99")
    assert [one.attempt for one in section.orders] == [failures + 1]


def test_a_first_attempt_needs_no_person() -> None:
    section = after_failures(0)

    assert section.rule == "proven_duplicate"
    assert [one.attempt for one in section.orders] == [1]


def test_of_several_orders_only_the_one_that_failed_counts_on() -> None:
    section = after_failures(1, duplicates(order(), order("ch_3", slot=2)))

    assert section.rule == "failed_before"
    assert [(one.slot, one.attempt) for one in section.orders] == [(1, 2), (2, 1)]


def test_what_failed_before_is_offered_to_nobody_where_another_rule_hands_the_case_over() -> None:
    locked = AccountSection(status="needs_human", issue="locked", locked=True)
    for section in (
        after_failures(1, account=locked),
        after_failures(1, duplicates(order(amount=Money(amount_minor=5, currency="SEK")))),
        after_failures(1, BillingSection.of_locked_account()),
    ):
        assert section.rule != "failed_before"
        assert not section.approval_required
        assert section.orders == ()


@pytest.mark.parametrize(
    ("amount", "currency", "people"),
    [
        ("500.01", "USD", 1),
        ("5000.00", "USD", 1),
        ("5000.01", "USD", 2),
        ("750000", "JPY", 1),
        ("750001", "JPY", 2),
        ("1900.000", "BHD", 1),
        ("1900.001", "BHD", 2),
    ],
)
def test_above_the_second_limit_two_people_must_approve(
    amount: str, currency: str, people: int
) -> None:
    assert POLICY.approvers_needed(Money.parse(amount, currency)) == people


def test_a_policy_without_second_limits_never_asks_for_two() -> None:
    policy = RefundPolicy.from_toml(LIMITS)

    assert policy.second_limits == {}
    assert policy.approvers_needed(usd("1000000.00")) == 1


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ('USD = "5000.00"', "second_limits.JPY"),
        ('USD = "499.99"\nJPY = "75000"', "second_limits.USD"),
        ('USD = 5000.00\nJPY = "75000"', "second_limits.USD"),
        ('USD = "5000.001"\nJPY = "75000"', "second_limits.USD"),
    ],
)
def test_a_second_limit_that_is_missing_or_below_the_first_is_refused(
    table: str, field: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"^{re.escape(field)}:"):
        RefundPolicy.from_toml(f"{LIMITS}[second_limits]\n{table}\n")


def test_second_limits_are_a_table() -> None:
    with pytest.raises(InvalidInput, match=r"^second_limits:"):
        RefundPolicy.from_toml(f'second_limits = "5000.00"\n{LIMITS}')
