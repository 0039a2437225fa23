"""When two charges are one too many: by the provider's records alone."""

from datetime import datetime, timedelta, timezone

import pytest

from cases.billing import (
    BillingSection,
    Charge,
    ChargeStatus,
    PastRefund,
    RefundOrder,
    examine_charges,
)
from cases.money import Money
from tests.samples import NOON, charge, paid_back, usd

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def order(charge_id: str, anchor: str, slot: int, amount: str = "49.99") -> RefundOrder:
    return RefundOrder(charge_id=charge_id, amount=usd(amount), anchor_charge=anchor, slot=slot)


def assert_nothing_to_pay(section: BillingSection) -> None:
    assert section.orders == ()
    assert not section.refundable


def test_a_customer_without_charges_has_no_duplicates() -> None:
    section = examine_charges([])

    assert section.status == "nothing_found"
    assert section.charges_seen == 0
    assert section.refundable is None


def test_one_charge_is_no_duplicate() -> None:
    section = examine_charges([charge("ch_1")])

    assert section.status == "nothing_found"
    assert section.refundable == Money.zero("USD")


def test_of_two_equal_charges_the_earlier_one_stays_paid() -> None:
    section = examine_charges([charge("ch_2", after=MINUTE), charge("ch_1")])

    assert section.status == "duplicates_found"
    assert section.charges_seen == 2
    assert section.duplicates == (("ch_1", "ch_2"),)
    assert section.orders == (order("ch_2", "ch_1", 1),)
    assert section.refundable == usd("49.99")


def test_of_three_equal_charges_two_are_paid_back_each_in_a_slot_of_its_own() -> None:
    section = examine_charges([charge(f"ch_{n}", after=n * MINUTE) for n in (3, 1, 2)])

    assert section.duplicates == (("ch_1", "ch_2", "ch_3"),)
    assert section.orders == (order("ch_2", "ch_1", 1), order("ch_3", "ch_1", 2))
    assert section.refundable == usd("99.98")


def test_charges_of_the_same_moment_are_ordered_by_their_id() -> None:
    assert examine_charges([charge("b"), charge("a")]).orders == (order("b", "a", 1),)


@pytest.mark.parametrize(
    "other",
    [
        charge("ch_2", description="Single plan"),
        charge("ch_2", usd("49.98")),
        charge("ch_2", Money.parse("49.99", "EUR")),
        charge("ch_2", merchant="Northwind Books"),
        charge("ch_2", after=72 * HOUR + timedelta(microseconds=1)),
        charge("ch_2", customer_id="cus_2"),
        charge("ch_2", status=ChargeStatus.PENDING),
        charge("ch_2", status=ChargeStatus.REVERSED),
    ],
    ids=lambda other: str(other)[:60],
)
def test_what_differs_in_one_thing_is_another_purchase(other: Charge) -> None:
    section = examine_charges([charge("ch_1"), other])

    assert section.status == "nothing_found"
    assert section.duplicates == ()
    assert_nothing_to_pay(section)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Order #1001", "Order #1002"),
        ("INV-2026-11-01", "INV-2026-11-02"),
        ("Subscription 1-30 Nov", "Subscription 1-31 Dec"),
        ("Seat A/1", "Seat A/2"),
        ("Ticket 12", "Ticket #12"),
    ],
)
def test_an_order_id_an_invoice_or_a_period_tells_two_purchases_apart(one: str, other: str) -> None:
    section = examine_charges(
        [charge("ch_1", description=one), charge("ch_2", description=other, after=MINUTE)]
    )
    assert_nothing_to_pay(section)
    assert section.status == "nothing_found"


@pytest.mark.parametrize(
    ("one", "other"),
    [("", ""), ("Order #1001", "order #1001."), ("Family plan", " FAMILY  plan "), ("", " .. ")],
)
def test_case_space_and_full_stops_do_not_tell_two_purchases_apart(one: str, other: str) -> None:
    section = examine_charges(
        [charge("ch_1", description=one), charge("ch_2", description=other, after=MINUTE)]
    )
    assert section.orders == (order("ch_2", "ch_1", 1),)


@pytest.mark.parametrize("merchant", ["NORTHWIND MUSIC", "  northwind \t music\n"])
def test_case_and_space_do_not_make_another_merchant(merchant: str) -> None:
    section = examine_charges([charge("ch_1"), charge("ch_2", merchant=merchant, after=MINUTE)])

    assert len(section.orders) == 1


def test_exactly_72_hours_apart_is_still_a_duplicate() -> None:
    section = examine_charges([charge("ch_1"), charge("ch_2", after=72 * HOUR)])

    assert section.orders == (order("ch_2", "ch_1", 1),)


def test_the_window_counts_from_the_first_charge_and_does_not_slide() -> None:
    """A purchase every other day is not one long chain of duplicates, and none of it is proven."""
    section = examine_charges([charge(f"ch_{day}", after=day * 48 * HOUR) for day in range(6)])

    assert section.status == "needs_human"
    assert_nothing_to_pay(section)
    assert section.duplicates == (("ch_0", "ch_1"), ("ch_2", "ch_3"), ("ch_4", "ch_5"))


def test_moments_are_compared_across_time_zones() -> None:
    tokyo, new_york = timezone(9 * HOUR), timezone(-5 * HOUR)
    later = charge("ch_1", created_at=(NOON + 72 * HOUR).astimezone(new_york))
    earlier = charge("ch_2", created_at=NOON.astimezone(tokyo))
    too_late = charge("ch_3", created_at=(NOON + 73 * HOUR).astimezone(tokyo))

    assert examine_charges([later, earlier]).orders == (order("ch_1", "ch_2", 1),)
    assert_nothing_to_pay(examine_charges([earlier, too_late]))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        charge("ch_1", created_at=datetime(2026, 11, 2, 12, 0))  # noqa: DTZ001 - that is the point


def test_a_pending_or_reversed_charge_is_neither_paid_back_nor_a_reason_to() -> None:
    section = examine_charges(
        [
            charge("ch_0", status=ChargeStatus.REVERSED),
            charge("ch_1", after=MINUTE),
            charge("ch_2", after=2 * MINUTE),
            charge("ch_3", after=3 * MINUTE, status=ChargeStatus.PENDING),
        ]
    )
    assert section.orders == (order("ch_2", "ch_1", 1),)


@pytest.mark.parametrize("disputed", ["ch_1", "ch_2"])
def test_a_dispute_about_either_twin_goes_to_a_person(disputed: str) -> None:
    twins = [charge("ch_1"), charge("ch_2", after=MINUTE)]
    section = examine_charges(
        one.model_copy(update={"status": ChargeStatus.DISPUTED})
        if one.charge_id == disputed
        else one
        for one in twins
    )
    assert section.status == "needs_human"
    assert section.doubts == ("A charge of ch_1, ch_2 is disputed at the bank.",)
    assert_nothing_to_pay(section)


@pytest.mark.parametrize("partly", ["ch_1", "ch_2"])
def test_a_refund_in_part_goes_to_a_person(partly: str) -> None:
    section = examine_charges(
        charge(name, after=n * MINUTE, refunds=(paid_back("10.00"),) if name == partly else ())
        for n, name in enumerate(("ch_1", "ch_2"))
    )
    assert section.status == "needs_human"
    assert section.doubts == ("A charge of ch_1, ch_2 was refunded in part.",)
    assert_nothing_to_pay(section)


@pytest.mark.parametrize("refunded", ["ch_1", "ch_2"])
@pytest.mark.parametrize("status", ["succeeded", "pending", "a status that came later"])
def test_a_duplicate_is_paid_back_once_whichever_twin_it_was(refunded: str, status: str) -> None:
    section = examine_charges(
        charge(
            name, after=n * MINUTE, refunds=(paid_back(status=status),) if name == refunded else ()
        )
        for n, name in enumerate(("ch_1", "ch_2"))
    )
    assert section.status == "already_refunded"
    assert_nothing_to_pay(section)
    day = NOON + timedelta(days=1)
    assert section.past_refunds == (
        PastRefund(charge_id=refunded, amount=usd("49.99"), refunded_at=day),
    )


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_paid_nothing_back(status: str) -> None:
    section = examine_charges(
        [charge("ch_1"), charge("ch_2", after=MINUTE, refunds=(paid_back(status=status),))]
    )
    assert section.orders == (order("ch_2", "ch_1", 1),)
    assert section.past_refunds == ()


def test_two_refunds_in_part_that_make_the_whole_are_a_refund() -> None:
    parts = (paid_back("20.00"), paid_back("29.99"))
    section = examine_charges([charge("ch_1"), charge("ch_2", after=MINUTE, refunds=parts)])

    assert section.status == "already_refunded"
    assert len(section.past_refunds) == 2


def test_what_was_paid_back_of_a_triple_leaves_the_other_slot_where_it_was() -> None:
    """The slot is part of the key: it must not move up when the first twin has been paid."""
    triple = [
        charge("ch_1"),
        charge("ch_2", after=MINUTE, refunds=(paid_back(),)),
        charge("ch_3", after=2 * MINUTE),
    ]
    assert examine_charges(triple).orders == (order("ch_3", "ch_1", 2),)


def test_when_the_earliest_was_paid_back_another_one_stays_paid_in_its_place() -> None:
    triple = [
        charge("ch_1", refunds=(paid_back(),)),
        charge("ch_2", after=MINUTE),
        charge("ch_3", after=2 * MINUTE),
    ]
    assert examine_charges(triple).orders == (order("ch_2", "ch_1", 1),)


def test_equal_charges_of_which_only_some_say_what_they_are_for_are_a_doubt() -> None:
    section = examine_charges([charge("ch_1"), charge("ch_2", description="", after=MINUTE)])

    assert section.status == "needs_human"
    assert section.doubts == ("Equal charges ch_1, ch_2: only some carry a description.",)
    assert section.duplicates == ()
    assert_nothing_to_pay(section)


def test_duplicates_in_two_currencies_go_to_a_person() -> None:
    euros = Money.parse("49.99", "EUR")
    section = examine_charges(
        [charge("ch_1"), charge("ch_2"), charge("ch_3", euros), charge("ch_4", euros)]
    )
    assert section.status == "needs_human"
    assert section.refundable is None
    assert section.doubts == (
        "The duplicates are in more than one currency.",
        "Proven to be one too many: ch_4, ch_2.",
    )


def test_a_doubt_about_one_pair_sends_all_to_a_person_and_names_what_is_proven() -> None:
    section = examine_charges(
        [
            charge("ch_1"),
            charge("ch_2"),
            charge("ch_3", usd("5.00")),
            charge("ch_4", usd("5.00"), description=""),
        ]
    )
    assert section.status == "needs_human"
    assert section.doubts == (
        "Equal charges ch_3, ch_4: only some carry a description.",
        "Proven to be one too many: ch_2.",
    )


def test_two_groups_of_the_same_merchant_are_settled_apart() -> None:
    section = examine_charges(
        charge(f"{plan}_{n}", description=plan, after=n * MINUTE)
        for plan in ("family", "single")
        for n in (1, 2)
    )
    assert section.orders == (
        order("family_2", "family_1", 1),
        order("single_2", "single_1", 1),
    )
    assert section.refundable == usd("99.98")
