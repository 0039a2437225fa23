"""Which charges a customer means, by what the message names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cases.billing import Charge
from cases.mentions import find_mentions, meant
from cases.money import Money
from tests.samples import NOON, charge, usd

DAY = timedelta(days=1)


def picked(text: str, *charges: Charge) -> tuple[str, ...]:
    return meant(find_mentions(text, NOON + DAY), charges)


FIRST = charge("ch_1", description="Order #4711")
SECOND = charge("ch_2", usd("20.00"), description="Order INV-17/2", after=-3 * DAY)
THIRD = charge("ch_3", Money.parse("49.99", "EUR"), description="Order 47", after=-6 * DAY)
ALL = (FIRST, SECOND, THIRD)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("I was charged twice.", ()),
        ("ch_2, please", ("ch_2",)),
        ("ch_3 and ch_1", ("ch_1", "ch_3")),
        ("ch_2 of order 4711, 49.99 EUR", ("ch_2",)),  # the id says most
        ("order #4711", ("ch_1",)),
        ("order 47", ("ch_3",)),  # not a part of 4711
        ("invoice inv-17/2", ("ch_2",)),
        ("order 17", ()),
        ("order 4711 for 20.00 USD", ("ch_1",)),
        ("ch_9 for 20.00 USD", ("ch_2",)),  # no such id here
        ("order 99 for 20.00 USD", ("ch_2",)),
        ("49.99", ("ch_1", "ch_3")),
        ("49.99 EUR", ("ch_3",)),
        ("49.99 EUR and 20.00 USD", ("ch_2", "ch_3")),
        ("49.99 GBP", ()),
        ("yesterday", ()),
        ("31 October", ()),
        ("20.00 on 31 October", ("ch_2",)),
        ("49.99 yesterday", ("ch_1",)),
        ("49.99 on 27 October", ("ch_3",)),
        ("20.00 USD yesterday", ()),  # each fits another charge
    ],
)
def test_a_charge_is_meant_by_its_id_its_order_or_else_by_all_that_is_said_of_it(
    text: str, ids: tuple[str, ...]
) -> None:
    assert picked(text, *ALL) == ids


def test_nothing_is_meant_among_no_charges() -> None:
    assert picked("ch_1, order 4711, 49.99 yesterday") == ()


def test_the_day_of_a_charge_is_counted_in_utc() -> None:
    late = charge("ch_1", after=DAY).model_copy(
        update={"created_at": datetime(2026, 11, 3, 23, tzinfo=timezone(timedelta(hours=-8)))}
    )
    assert late.created_at.astimezone(UTC).day == 4

    assert [picked(f"49.99 on 2026-11-0{day}", late) for day in (2, 3, 5, 6)] == [
        (),
        ("ch_1",),
        ("ch_1",),
        (),
    ]
