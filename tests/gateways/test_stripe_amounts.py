"""Amounts on their way to Stripe and back: exactly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.effects import EffectState, Outcome
from cases.money import THREE_DECIMALS, ZERO_DECIMALS, Money
from gateways.stripe.amounts import from_stripe, to_stripe
from tests.gateways.provider import refund_of
from tests.gateways.stripe_provider import open_stripe_fake
from workers.composition import Stores

CURRENCIES = sorted(ZERO_DECIMALS | THREE_DECIMALS | {"USD", "EUR", "HUF", "TWD", "MGA"})


@given(st.sampled_from(CURRENCIES), st.integers(min_value=1, max_value=10**12))
def test_an_amount_comes_back_as_it_went_or_does_not_go(currency: str, minor: int) -> None:
    money = Money(amount_minor=minor, currency=currency)

    sent = to_stripe(money)

    if sent is not None:
        assert from_stripe(sent, currency.lower()) == money


@pytest.mark.parametrize(
    ("amount", "currency", "sent"),
    [
        ("49.99", "USD", 4999),
        ("500", "JPY", 500),
        ("5", "ISK", 500),
        ("7", "UGX", 700),
        ("5.00", "MGA", 5),
        ("5.01", "MGA", None),
        ("5.120", "KWD", 5120),
        ("5.124", "KWD", None),
        ("0.001", "BHD", None),
        ("10.45", "HUF", 1045),
    ],
)
def test_an_amount_is_counted_as_stripe_documents_it(
    amount: str, currency: str, sent: int | None
) -> None:
    assert to_stripe(Money.parse(amount, currency)) == sent


def test_parts_of_a_krona_are_cut_off_never_added() -> None:
    assert str(from_stripe(4010, "isk")) == "40 ISK"
    assert str(from_stripe(4099, "isk")) == "40 ISK"


async def test_an_amount_that_stripe_does_not_allow_is_refused_before_anything_is_sent(
    stores: Stores,
) -> None:
    async with open_stripe_fake(stores) as stripe:
        charge = await stripe.charge(await stripe.customer(), minor=5120, currency="KWD")

        outcome = await stripe.payments.refund(refund_of(stripe, charge, 5119, "KWD"))

        assert outcome == Outcome(state=EffectState.REJECTED, code="amount_not_allowed")
        assert stripe.fake.requests == []


@pytest.mark.parametrize(
    ("minor", "currency"), [(40, "ISK"), (7, "UGX"), (500, "MGA"), (500, "JPY"), (5120, "BHD")]
)
async def test_what_is_refunded_is_what_the_charge_was_found_with(
    stores: Stores, minor: int, currency: str
) -> None:
    async with open_stripe_fake(stores) as stripe:
        customer = await stripe.customer()
        charge = await stripe.charge(customer, minor=minor, currency=currency)
        [found] = await stripe.payments.find_charges(customer)
        assert found.refundable == Money(amount_minor=minor, currency=currency)

        intent = refund_of(stripe, charge, found.refundable.amount_minor, currency)
        paid = await stripe.payments.refund(intent)

        assert paid.state is EffectState.SUCCEEDED
        assert stripe.fake.left_of(charge) == 0
        [listed] = await stripe.payments.find_charges(customer)
        assert not listed.refundable
