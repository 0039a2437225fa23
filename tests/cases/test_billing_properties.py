"""What holds for whatever charges a provider may list."""

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cases.billing import (
    Charge,
    ChargeStatus,
    RefundRecord,
    examine_charges,
)
from tests.samples import charge, paid_back

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def some_charge(
    number: int, description: str, hours: int, status: ChargeStatus, refund: RefundRecord | None
) -> Charge:
    return charge(
        f"ch_{number}",
        description=description,
        after=hours * HOUR,
        status=status,
        refunds=(refund,) if refund else (),
    )


HISTORIES = st.lists(
    st.builds(
        some_charge,
        number=st.integers(0, 99),
        description=st.sampled_from(["", "Family plan", "Order #2"]),
        hours=st.integers(0, 200),
        status=st.sampled_from(ChargeStatus),
        refund=st.sampled_from([None, paid_back(), paid_back("10.00"), paid_back(status="failed")]),
    ),
    max_size=8,
    unique_by=lambda found: found.charge_id,
)


@given(HISTORIES)
def test_never_more_is_proposed_than_was_captured_less_one_charge_of_each_group(
    charges: list[Charge],
) -> None:
    section = examine_charges(charges)

    known = {one.charge_id: one for one in charges}
    for group in section.duplicates:
        members = [known[name] for name in group]
        proposed = [one for one in section.orders if one.charge_id in group]
        captured = sum(one.amount.amount_minor for one in members)
        returned = sum(one.refunded.amount_minor for one in members)
        paying = sum(one.amount.amount_minor for one in proposed)
        if proposed:
            assert returned + paying <= captured - members[0].amount.amount_minor
        assert members[0].charge_id not in [one.charge_id for one in proposed]
        assert all(one.anchor_charge == group[0] for one in proposed)
        assert all(group[one.slot] == one.charge_id for one in proposed)
        window = members[-1].created_at - members[0].created_at
        assert window <= timedelta(hours=72)


@given(HISTORIES)
def test_every_order_is_for_the_whole_of_a_captured_charge_in_a_group_and_none_twice(
    charges: list[Charge],
) -> None:
    section = examine_charges(charges)

    known = {one.charge_id: one for one in charges}
    grouped = {name for group in section.duplicates for name in group}
    for one in section.orders:
        assert one.charge_id in grouped
        assert known[one.charge_id].status is ChargeStatus.CAPTURED
        assert one.amount == known[one.charge_id].refundable
    places = [(one.anchor_charge, one.slot) for one in section.orders]
    assert len(set(places)) == len(places)
    assert len({one.charge_id for one in section.orders}) == len(section.orders)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_in_which_the_provider_lists_charges_changes_nothing(
    charges: list[Charge], random: Random
) -> None:
    shuffled = list(charges)
    random.shuffle(shuffled)

    assert examine_charges(shuffled) == examine_charges(charges)
