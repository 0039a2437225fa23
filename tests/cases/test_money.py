"""Money is exact, and of one currency."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import cases
from cases.errors import InvalidInput
from cases.money import MAX_MINOR, THREE_DECIMALS, ZERO_DECIMALS, Money, exponent, total

CURRENCIES = ["JPY", "USD", "BHD"]
AMOUNTS = st.builds(
    Money,
    amount_minor=st.integers(min_value=-MAX_MINOR, max_value=MAX_MINOR),
    currency=st.sampled_from(CURRENCIES),
)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("49.99", "USD", 4999),
        ("1.15", "USD", 115),  # int(1.15 * 100) is 114
        ("4.35", "USD", 435),
        ("2.675", "BHD", 2675),
        ("0.1", "USD", 10),
        ("500", "USD", 50000),
        ("500", "JPY", 500),
        ("0.001", "BHD", 1),
        ("-5.00", "EUR", -500),
        (" 49.99 ", " usd ", 4999),
        ("10000000000000.00", "USD", MAX_MINOR),
    ],
)
def test_a_plain_decimal_is_read_exactly(text: str, currency: str, minor: int) -> None:
    money = Money.parse(text, currency)

    assert money.amount_minor == minor
    assert money.currency == currency.strip().upper()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "forty", "49,99", "1,000.00", "1e3", "1E3", "0x10", "NaN", "Infinity", "-inf"),
        *("+1", ".5", "5.", "1_000", "--1", "1.2.3", "$5", "5 USD", "1\n2", "٤٩", "４９.９９"),
    ],
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Money.parse(text, "USD")

    assert refused.value.field == "amount"


@pytest.mark.parametrize(
    ("text", "currency"),
    [("49.999", "USD"), ("1.5", "JPY"), ("1.0001", "BHD"), ("1.000", "USD"), ("75000.0", "JPY")],
)
def test_more_decimals_than_the_currency_has_are_refused_even_if_they_are_zeros(
    text: str, currency: str
) -> None:
    with pytest.raises(InvalidInput, match="too many digits"):
        Money.parse(text, currency)


@pytest.mark.parametrize("text", ["10000000000000.01", "-10000000000000.01", "9" * 18, "9" * 400])
def test_an_amount_beyond_the_largest_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Money.parse(text, "USD")


@pytest.mark.parametrize("code", ["", "US", "USDX", "U$D", "12A", "uſd", "ÜSD"])
def test_what_is_not_a_currency_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Money.parse("1", code)

    assert refused.value.field == "currency"


@pytest.mark.parametrize("amount", [49.99, 1.0, "4999", True, Decimal(5), None])
def test_minor_units_are_an_integer_and_nothing_that_looks_like_one(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount_minor": amount, "currency": "USD"})


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (4999, "USD", "49.99 USD"),
        (5, "USD", "0.05 USD"),
        (-5, "USD", "-0.05 USD"),
        (0, "USD", "0.00 USD"),
        (50000, "USD", "500.00 USD"),
        (75000, "JPY", "75000 JPY"),
        (190000, "BHD", "190.000 BHD"),
        (MAX_MINOR, "USD", "10000000000000.00 USD"),
    ],
)
def test_an_amount_is_written_with_all_its_decimals(
    minor: int, currency: str, written: str
) -> None:
    assert str(Money(amount_minor=minor, currency=currency)) == written


def test_a_currency_has_no_two_numbers_of_decimals() -> None:
    assert not ZERO_DECIMALS & THREE_DECIMALS
    assert [exponent(code) for code in CURRENCIES] == [0, 2, 3]


def test_currencies_are_never_mixed() -> None:
    dollars, euros = Money.parse("1", "USD"), Money.parse("1", "EUR")

    for mix in (
        lambda: dollars + euros,
        lambda: dollars - euros,
        lambda: dollars > euros,
        lambda: total([dollars, euros]),
    ):
        with pytest.raises(ValueError, match="cannot be combined"):
            mix()
    assert dollars != euros


def test_the_total_of_nothing_is_not_zero_of_some_currency() -> None:
    assert total([]) is None


def test_an_amount_of_money_cannot_be_changed_in_place() -> None:
    money = Money.zero("USD")

    with pytest.raises(ValidationError, match="frozen"):
        money.amount_minor = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@given(AMOUNTS)
def test_what_is_written_reads_back_as_the_same_amount(money: Money) -> None:
    assert Money.parse(money.decimal(), money.currency) == money


@given(AMOUNTS)
def test_json_carries_an_amount_unchanged(money: Money) -> None:
    assert Money.model_validate_json(money.model_dump_json()) == money


@given(AMOUNTS, st.integers(min_value=-MAX_MINOR, max_value=MAX_MINOR))
def test_what_is_added_can_be_taken_away_again(money: Money, more: int) -> None:
    other = Money(amount_minor=more, currency=money.currency)

    assert (money + other) - other == money
    assert (money + other > money) is (more > 0)
    assert total([money, other]) == money + other


def test_no_float_is_written_anywhere_in_the_core() -> None:
    """A float in the core is money in a float sooner or later."""
    found: list[str] = []
    for file in Path(cases.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            name = isinstance(node, ast.Name) and node.id == "float"
            division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if literal or name or division:
                found.append(f"{file.name}:{getattr(node, 'lineno', 0)}")
    assert found == []
