"""Two purchases that only a sign tells apart are two purchases."""

from datetime import timedelta

import pytest

from cases.billing import examine_charges
from tests.samples import charge


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C++ course", "C course"),
        ("Plan A+", "Plan A"),
        ("Gift card €5", "Gift card $5"),
        ("🎵", "🎬"),
        ("★★ room", "★★★ room"),
        ("Size <M", "Size >M"),
    ],
)
def test_a_sign_in_the_description_tells_two_purchases_apart(one: str, other: str) -> None:
    section = examine_charges(
        [
            charge("ch_1", description=one),
            charge("ch_2", description=other, after=timedelta(minutes=1)),
        ]
    )

    assert section.orders == ()


def test_a_purchase_of_the_same_price_before_it_hides_no_duplicate() -> None:
    section = examine_charges(
        [
            charge("ch_1", description="Order #1"),
            charge("ch_2", description="Order #2", after=timedelta(hours=50)),
            charge("ch_3", description="Order #2", after=timedelta(hours=100)),
        ]
    )

    assert [one.charge_id for one in section.orders] == ["ch_3"]
