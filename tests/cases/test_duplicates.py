"""The rule as it is written down, row by row, and what else makes a habit or does not."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from cases.billing import BillingSection, Charge, ChargeStatus, examine_charges
from cases.descriptions import has_code, names_a_plan, names_one_purchase
from tests.samples import charge, paid_back, usd

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_PAGE = Path(__file__).parents[2] / "docs" / "duplicates.md"
_ROW = re.compile(r"^\| ([^|]*) \| (0 h, [^|]*) \| ([^|]*) \|$", re.MULTILINE)
ROWS = _ROW.findall(_PAGE.read_text("utf-8"))


def written(words: str, times: str) -> list[Charge]:
    """The charges of a row."""
    found: list[Charge] = []
    for word, time in zip(words.split(", "), times.split(", "), strict=True):
        count, unit = time.split()
        after = int(count) * (HOUR if unit == "h" else MINUTE)
        text = "" if word == "(nothing)" else word
        found.append(charge(f"ch_{len(found) + 1}", after=after, description=text))
    return found


def outcome(section: BillingSection) -> str:
    if section.doubts:
        return "a person"
    paid = [re.sub(r"\D", "", order.charge_id) for order in section.orders]
    return " ".join(["paid back:", *paid]) if paid else "two purchases"


@pytest.mark.parametrize(("words", "times", "told"), ROWS)
def test_the_code_does_what_the_page_says(words: str, times: str, told: str) -> None:
    section = examine_charges(written(words, times))

    rule, _, reason = told.partition(": ")
    assert outcome(section) == (re.sub(r"(?<=\d)[a-z]+", "", told) if rule == "paid back" else rule)
    if rule == "a person":
        assert reason in " ".join(section.doubts)
        assert section.orders == ()


def test_the_page_has_rows_of_each_outcome() -> None:
    rows = [told.split(":")[0] for _, _, told in ROWS]

    assert {rule: rows.count(rule) > 4 for rule in rows} == {
        "paid back": True,
        "two purchases": True,
        "a person": True,
    }


def coffee(charge_id: str, after: timedelta, **fields: object) -> Charge:
    made = charge(charge_id, after=after, description="Flat white")
    return made.model_copy(update=fields)


PAIR = (coffee("ch_1", 0 * HOUR), coffee("ch_2", 30 * timedelta(seconds=1)))


@pytest.mark.parametrize("days", [-24, 24])
def test_a_doubt_names_the_charges_and_the_other_days(days: int) -> None:
    section = examine_charges([*PAIR, coffee("ch_3", days * DAY)])

    assert " ".join(section.doubts) == (
        "Equal charges ch_1, ch_2: the same was bought on other days too (ch_3), "
        "and nothing proves that one is too many."
    )
    assert section.status == "needs_human"
    assert section.orders == ()


@pytest.mark.parametrize(
    "other",
    [
        {"status": ChargeStatus.PENDING},
        {"status": ChargeStatus.REVERSED},
        {"amount": usd("3.50")},
        {"merchant": "Northwind Books"},
        {"description": "Espresso"},
        {"customer_id": "cus_2"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_not_the_same_purchase_makes_no_habit(other: dict[str, object]) -> None:
    section = examine_charges([*PAIR, coffee("ch_3", 10 * DAY, **other)])

    assert [order.charge_id for order in section.orders] == ["ch_2"]
    assert section.doubts == ()


def test_a_twin_at_the_end_of_a_window_is_named_to_the_person() -> None:
    """The 72 hours end between the two of them, and nobody buys anything afterwards."""
    coffees = [coffee(f"ch_{day}", day * DAY) for day in range(4)]
    section = examine_charges([*coffees, coffee("ch_twin", 3 * DAY + MINUTE)])

    assert "ch_twin" in section.doubts[0]


def test_what_was_paid_back_of_a_habit_is_no_doubt() -> None:
    section = examine_charges(
        [PAIR[0], coffee("ch_2", MINUTE, refunds=(paid_back(),)), coffee("ch_3", 10 * DAY)]
    )
    assert section.status == "already_refunded"
    assert section.doubts == ()


@pytest.mark.parametrize(
    "text",
    [
        *("Order #7", "order no. 1001", "INV-2026-0017", "Bestellung Nr. 4711"),
        *("Rent Nov 2026", "Hosting 2026-11", "Box 1-30 Nov"),
    ],
)
def test_an_orders_number_or_a_period_names_one_purchase(text: str) -> None:
    assert names_one_purchase(text)


@pytest.mark.parametrize(
    "text",
    ["", "Flat white", "order 2 teas", "Kiosk 24/7", "STORE #1234", "2026-11-02", "Tel 0301234567"],
)
def test_a_short_number_a_shops_number_or_a_day_names_none(text: str) -> None:
    assert not names_one_purchase(text)
    assert not has_code(text)


@pytest.mark.parametrize(
    ("text", "plan"),
    [("Gym membership", True), ("Jahres-Abo", True), ("Planet Earth", False), ("Labour", False)],
)
def test_a_word_within_a_word_is_no_plan(text: str, plan: bool) -> None:
    assert names_a_plan(text) is plan


@pytest.mark.parametrize("text", ["order" + " " * 99, "inv-", "1", "jan", "#a", "order/-/a"])
@pytest.mark.timeout(20)
def test_a_very_long_text_is_read_quickly(text: str) -> None:
    """Minutes where the time grows with the square of the length."""
    long = text * (300_000 // len(text))
    pair = [charge(f"ch_{n}", after=n * MINUTE, description=long, merchant=long) for n in (1, 2)]
    assert len(examine_charges(pair).orders) == 1


@pytest.mark.timeout(20)
def test_many_groups_of_many_charges_are_found_quickly() -> None:
    days = [coffee(f"ch_{n}", n * DAY) for n in range(20_000)]

    assert examine_charges(days).orders == ()
