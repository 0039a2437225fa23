"""Charges as Stripe has them, in our words."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from cases.billing import Charge, ChargeStatus, examine_charges
from cases.errors import GatewayUnavailable
from tests.gateways.provider import refund_of
from tests.gateways.stripe_answers import INSTEAD, missing
from tests.gateways.stripe_provider import StripeFakeProvider, open_stripe_fake
from tests.samples import usd
from workers.composition import Stores


@pytest.fixture
async def stripe(stores: Stores) -> AsyncGenerator[StripeFakeProvider]:
    async with open_stripe_fake(stores) as provider:
        yield provider


async def _found(stripe: StripeFakeProvider, **fields: Any) -> list[Charge]:
    customer = await stripe.customer()
    stripe.fake.add_charge(**{"customer": customer, **fields})
    return list(await stripe.payments.find_charges(customer))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, ChargeStatus.CAPTURED),
        ({"captured": False}, ChargeStatus.PENDING),
        ({"status": "pending"}, ChargeStatus.PENDING),
        ({"captured": False, "refunded": True}, ChargeStatus.REVERSED),
        ({"disputed": True}, ChargeStatus.DISPUTED),
    ],
)
async def test_a_charge_has_the_status_that_its_fields_say(
    stripe: StripeFakeProvider, fields: dict[str, Any], status: ChargeStatus
) -> None:
    [charge] = await _found(stripe, **fields)

    assert charge.status is status


async def test_a_failed_charge_is_none(stripe: StripeFakeProvider) -> None:
    assert await _found(stripe, status="failed", captured=False) == []


async def test_a_refunded_charge_stays_captured_and_its_refunds_tell_the_rest(
    stripe: StripeFakeProvider,
) -> None:
    customer = await stripe.customer()
    charge = await stripe.charge(customer)
    await stripe.payments.refund(refund_of(stripe, charge))

    [found] = await stripe.payments.find_charges(customer)

    assert found.status is ChargeStatus.CAPTURED
    assert found.refunded == usd("49.99")


async def test_of_a_charge_captured_in_part_only_that_part_can_be_refunded(
    stripe: StripeFakeProvider,
) -> None:
    [charge] = await _found(stripe, amount=5000, amount_captured=3000)

    assert charge.refundable == usd("30.00")


@pytest.mark.parametrize(
    ("fields", "merchant"),
    [
        ({}, "FAKE SHOP"),
        ({"metadata": {"merchant": "北風音楽"}}, "北風音楽"),
        ({"calculated_statement_descriptor": None}, "acct_fake"),
    ],
)
async def test_the_merchant_is_who_the_metadata_or_the_statement_or_the_account_names(
    stripe: StripeFakeProvider, fields: dict[str, Any], merchant: str
) -> None:
    [charge] = await _found(stripe, **fields)

    assert charge.merchant == merchant


async def test_an_order_number_in_the_metadata_tells_two_purchases_apart(
    stripe: StripeFakeProvider,
) -> None:
    customer = await stripe.customer()
    for order in ("A-1", "A-2"):
        stripe.fake.add_charge(
            customer=customer, description="Family plan", metadata={"order_id": order}
        )

    found = await stripe.payments.find_charges(customer)

    assert [c.description for c in found] == ["Family plan A-1", "Family plan A-2"]
    assert examine_charges(found).status == "nothing_found"


async def test_more_refunds_than_come_with_a_charge_are_all_found(
    stripe: StripeFakeProvider,
) -> None:
    customer = await stripe.customer()
    charge = await stripe.charge(customer, minor=50_000)
    for minor in range(1, 131):
        await stripe.refunded_elsewhere(charge, minor)

    [found] = await stripe.payments.find_charges(customer)

    assert [r.amount.amount_minor for r in found.refunds] == list(range(1, 131))


async def test_a_charge_of_somebody_else_stays_out_even_if_stripe_lists_it(
    stripe: StripeFakeProvider,
) -> None:
    """An empty customer id is no filter to Stripe."""
    await stripe.charge(await stripe.customer())

    assert await stripe.payments.find_charges("") == []


async def test_of_two_refunds_with_our_key_the_one_that_stands_is_found(
    stripe: StripeFakeProvider,
) -> None:
    charge = await stripe.charge(await stripe.customer())
    intent = refund_of(stripe, charge)
    for status in ("failed", "succeeded", "canceled"):
        refund = stripe.fake.add_refund(charge, 4999, {"casekeeper_key": intent.key})
        refund["status"] = status

    found = await stripe.payments.look_up(intent)

    assert found
    assert found.receipt == stripe.fake.refunds[1]["id"]


async def test_a_page_that_is_gone_does_not_mean_that_there_is_no_refund(
    stripe: StripeFakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = refund_of(stripe, await stripe.charge(await stripe.customer()))
    monkeypatch.setitem(INSTEAD, "lost_page", missing("starting_after", "re_1"))
    stripe.fake.next_words = ["lost_page"]

    with pytest.raises(GatewayUnavailable):
        await stripe.payments.look_up(intent)
