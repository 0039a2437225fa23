"""What changes from one policy to another, field by field."""

from cases.money import Money
from cases.policy import RefundPolicy
from cases.policy_changes import PolicyChange, changes
from tests.samples import usd

BEFORE = RefundPolicy(
    version=1, limit_days=30, limits={"USD": 50000, "EUR": 50000}, second_limits={"USD": 500000}
)


def test_a_policy_differs_in_nothing_from_itself() -> None:
    assert changes(BEFORE, BEFORE) == ()


def test_every_field_that_differs_is_named_in_the_order_of_the_file() -> None:
    after = RefundPolicy(version=2, limit_days=14, limits={"USD": 50001, "SEK": 100})

    assert changes(BEFORE, after) == (
        PolicyChange(field="version", before=1, after=2),
        PolicyChange(field="limit_days", before=30, after=14),
        PolicyChange(field="limits.USD", before=usd("500.00"), after=usd("500.01")),
        PolicyChange(field="limits.SEK", before=None, after=Money.parse("1.00", "SEK")),
        PolicyChange(field="limits.EUR", before=Money.parse("500.00", "EUR"), after=None),
        PolicyChange(field="second_limits.USD", before=usd("5000.00"), after=None),
    )


def test_what_changes_back_is_the_same_with_the_sides_exchanged() -> None:
    after = RefundPolicy(version=2, limit_days=30, limits={"USD": 0})
    back = {(one.field, one.after, one.before) for one in changes(after, BEFORE)}

    assert back == {(one.field, one.before, one.after) for one in changes(BEFORE, after)}
