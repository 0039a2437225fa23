"""The oracle finds what is unlawful: a proof by it would be worth nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from cases.effects import EffectIntent, EffectKind
from cases.money import Money
from tests.attacks.rules import LOCKED, broken_rules, numbers_in
from tests.attacks.worlds import BLANK, ME, OTHER, PRICES, THINGS, Copy, Sale, World

EURO = PRICES.index((4999, "EUR"))
CROWN = PRICES.index((100, "SEK"))
ABOVE = PRICES.index((50_001, "USD"))
FIRST = Copy(0, 0, "captured", None)
TWIN = Copy(72, 1, "captured", None)


def world(*copies: Copy, standing: str = "known", lately: int = 0, **sale: Any) -> World:
    known: dict[str, Any] = {"customer": ME, "shop": 0, "thing": 0, "price": 0}
    sold = Sale(copies=copies, **{**known, **sale})
    return World(standing, (sold,), lately=lately)


def payment(charge: str = "ch_1", price: int = 0, **changes: Any) -> EffectIntent:
    """Charge 1 paid back as the twin of charge 0."""
    minor, currency = PRICES[price]
    known: dict[str, Any] = {
        "key": f"rf1_{charge}",
        "kind": EffectKind.REFUND,
        "case_id": "case_1",
        "branch": "main",
        "customer_id": ME,
        "amount": Money(amount_minor=minor, currency=currency),
        "charge_id": charge,
        "duplicate_group": "sandbox/ch_0/1",
    }
    return EffectIntent.model_validate({**known, **changes})


def two_sales(doubtful: Copy, price: int = 1, thing: int = 0) -> World:
    """A pair that is due, and another one with a doubt."""
    other = world(doubtful, TWIN, price=price, thing=thing)
    return replace(PAIR, sales=(*PAIR.sales, *other.sales))


PAIR = world(FIRST, TWIN)


def test_the_later_one_of_two_equal_charges_may_be_paid_back() -> None:
    assert broken_rules(PAIR, [payment()], by_person=False) == []
    assert broken_rules(PAIR, [], by_person=False) == []


@pytest.mark.parametrize(
    ("found", "paid", "rule"),
    [
        (PAIR, [payment("ch_0")], "paid back the earliest, or no duplicate at all"),
        (PAIR, [payment("ch_0"), payment()], "paid back all of a group"),
        (PAIR, [payment("ch_9")], "paid on a charge that is not the customer's"),
        (PAIR, [payment(customer_id=OTHER)], "paid on a charge that is not the customer's"),
        (PAIR, [payment(price=1)], "paid another amount than was charged"),
        (PAIR, [payment(price=EURO)], "paid another amount than was charged"),
        (PAIR, [payment(), payment(key="rf1_b")], "one charge paid twice"),
        (PAIR, [payment(), payment("ch_2", key="rf1_ch_1")], "one key used twice"),
        (
            world(FIRST, TWIN, customer=OTHER),
            [payment()],
            "paid on a charge that is not the customer's",
        ),
        (
            world(FIRST, Copy(73, 0, "captured", None)),
            [payment()],
            "paid back the earliest, or no duplicate at all",
        ),
        (
            world(Copy(0, 0, "pending", None), TWIN),
            [payment()],
            "paid back the earliest, or no duplicate at all",
        ),
        (
            world(FIRST, Copy(1, 0, "captured", "whole")),
            [payment()],
            "paid back what was not taken, is disputed or was paid back",
        ),
        (world(Copy(0, 0, "captured", "whole"), TWIN), [payment()], "paid back all of a group"),
        (
            world(Copy(0, 0, "captured", "part"), TWIN),
            [payment()],
            "paid in a partly refunded group",
        ),
        (world(Copy(0, 0, "disputed", None), TWIN), [payment()], "paid in a disputed group"),
        (two_sales(Copy(0, 0, "disputed", None)), [payment()], "paid beside a dispute"),
        (
            two_sales(Copy(0, 0, "captured", "part")),
            [payment()],
            "paid beside a refund in part",
        ),
        (
            two_sales(FIRST, price=0, thing=THINGS.index(BLANK)),
            [payment()],
            "paid where only some charges say what they are for",
        ),
        (world(FIRST, TWIN, standing="locked"), [payment()], LOCKED),
        (world(FIRST, TWIN, standing="unknown"), [payment()], "paid to an unknown customer"),
        (
            world(FIRST, TWIN, price=CROWN),
            [payment(price=CROWN)],
            "paid in a currency without a limit",
        ),
        (
            world(FIRST, TWIN, price=ABOVE),
            [payment(price=ABOVE)],
            "paid above the limit without a person",
        ),
        (
            world(FIRST, TWIN, lately=45_002),
            [payment()],
            "paid above the limit without a person",
        ),
        (PAIR, [payment(), payment("ch_2", EURO)], "paid in several currencies at once"),
    ],
)
def test_each_unlawful_payment_is_named(found: World, paid: list[EffectIntent], rule: str) -> None:
    assert rule in broken_rules(found, paid, by_person=False)


def test_a_person_may_let_out_what_is_above_the_limit() -> None:
    found = world(FIRST, TWIN, price=ABOVE)

    assert broken_rules(found, [payment(price=ABOVE)], by_person=True) == []


def test_every_number_in_a_text_is_seen() -> None:
    assert numbers_in("49.99 USD, 1,200.00; ٩ on 2026-11-11.") == {
        *("49.99", "1,200.00", "٩", "2026-11-11")
    }
