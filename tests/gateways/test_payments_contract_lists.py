"""What every payment adapter must find: all charges of a customer, and all refunds of a time."""

import asyncio
from datetime import datetime, timedelta

import pytest

from activities.branches import OwnRefunds, PaymentsAsBefore
from cases.billing import ChargeStatus
from cases.effects import EffectState, ProviderRefund
from cases.money import Money
from tests.gateways.provider import Provider, needs, refund_of


async def listed(provider: Provider, since: datetime, *charges: str) -> list[ProviderRefund]:
    """The provider's list of refunds, in its order, without those of others."""
    found = [refund async for refund in provider.payments.refunds_since(since)]
    assert [r.created_at for r in found] == sorted(r.created_at for r in found)
    return [refund for refund in found if refund.charge_id in charges]


def knowing(*marks: str) -> OwnRefunds:
    """A ledger that knows these keys and receipts of the case's refunds."""

    async def own_refunds(case_id: str) -> frozenset[str]:
        assert case_id == "case_1"
        return frozenset(marks)

    return own_refunds


async def test_a_customer_has_the_own_charges_only_oldest_first(provider: Provider) -> None:
    customer, other = [await provider.customer() for _ in range(2)]
    mine = [await provider.charge(customer), await provider.charge(customer, minor=100)]
    theirs = await provider.charge(other)

    found = await provider.payments.find_charges(customer)

    assert {charge.charge_id for charge in found} == set(mine)
    assert {charge.customer_id for charge in found} == {customer}
    assert [c.created_at for c in found] == sorted(c.created_at for c in found)
    assert [c.charge_id for c in await provider.payments.find_charges(other)] == [theirs]


async def test_a_customer_that_nobody_knows_has_no_charges(provider: Provider) -> None:
    assert list(await provider.payments.find_charges("cus_that_is_nowhere")) == []


async def test_a_customer_without_charges_has_none(provider: Provider) -> None:
    assert list(await provider.payments.find_charges(await provider.customer())) == []


@pytest.mark.parametrize(
    "text",
    ["家族プラン 👨‍👩‍👧", "اشتراك عائلي", "Família & <b>Söhne</b>", "' \" \\ %s $1 {0}", "x" * 300],
    ids=["wide", "right to left", "markup", "quotes", "long"],
)
async def test_a_charge_is_found_as_it_was_described(provider: Provider, text: str) -> None:
    customer = await provider.customer()
    charge = await provider.charge(customer, description=text, merchant="Café 北風")

    [found] = await provider.payments.find_charges(customer)

    assert (found.charge_id, found.description, found.merchant) == (charge, text, "Café 北風")
    assert found.amount == Money(amount_minor=4999, currency="USD")
    assert found.refunds == ()


@pytest.mark.parametrize("status", list(ChargeStatus))
async def test_a_charge_is_found_with_its_status(provider: Provider, status: ChargeStatus) -> None:
    needs(provider, "script")  # that cannot bring about such charges either
    customer = await provider.customer()
    await provider.charge(customer, status=status)

    [found] = await provider.payments.find_charges(customer)

    assert found.status is status
    assert bool(found.refundable) is (status is ChargeStatus.CAPTURED)


async def test_a_charge_is_found_with_all_its_refunds_ours_or_not(provider: Provider) -> None:
    customer = await provider.customer()
    charge = await provider.charge(customer)
    await provider.payments.refund(refund_of(provider, charge, 1000))
    await provider.refunded_elsewhere(charge, 500)

    [found] = await provider.payments.find_charges(customer)

    assert sorted(refund.amount.amount_minor for refund in found.refunds) == [500, 1000]
    assert {refund.status for refund in found.refunds} == {"succeeded"}
    assert found.refundable == Money(amount_minor=3499, currency="USD")


async def test_a_charges_refunds_carry_the_receipt_and_the_key_of_ours_or_none(
    provider: Provider,
) -> None:
    customer = await provider.customer()
    charge = await provider.charge(customer)
    intent = refund_of(provider, charge, 1000)
    paid = await provider.payments.refund(intent)
    await provider.refunded_elsewhere(charge, 500)

    [found] = await provider.payments.find_charges(customer)

    ours, other = sorted(found.refunds, key=lambda refund: refund.key is None)
    looked_up = await provider.payments.look_up(intent)
    assert looked_up
    assert paid.receipt == looked_up.receipt == ours.receipt
    assert ours.key == intent.key
    assert (other.amount.amount_minor, other.key) == (500, None)
    assert other.receipt not in (None, ours.receipt)


@pytest.mark.parametrize("word", ["ok", "pending", "fail_later"])
async def test_without_our_own_refunds_the_charges_are_as_before(
    provider: Provider, word: str
) -> None:
    needs(provider, "script")
    customer = await provider.customer()
    charges = [await provider.charge(customer, script=[word]), await provider.charge(customer)]
    await provider.refunded_elsewhere(charges[1], 500)
    before = await provider.payments.find_charges(customer)
    intent = refund_of(provider, charges[0])
    paid = await provider.payments.refund(intent)

    for mark in (intent.key, paid.receipt or ""):
        seen = PaymentsAsBefore(provider.payments, knowing(mark), intent.case_id)
        assert await seen.find_charges(customer) == before
    assert await provider.payments.find_charges(customer) != before


async def test_more_charges_than_a_page_holds_are_all_found(provider: Provider) -> None:
    needs(provider, "many")
    customer = await provider.customer()
    made = [await provider.charge(customer, minor=100 + number) for number in range(120)]

    found = await provider.payments.find_charges(customer)

    assert sorted(charge.charge_id for charge in found) == sorted(made)


async def test_more_refunds_of_one_charge_than_a_page_holds_are_all_counted(
    provider: Provider,
) -> None:
    needs(provider, "many")
    customer = await provider.customer()
    charge = await provider.charge(customer)
    for _ in range(30):
        await provider.refunded_elsewhere(charge, 10)
    intent = refund_of(provider, charge, 1000)
    paid = await provider.payments.refund(intent)
    for _ in range(90):
        await provider.refunded_elsewhere(charge, 10)

    [found] = await provider.payments.find_charges(customer)

    assert len(found.refunds) == 121
    assert found.refunded == Money(amount_minor=2200, currency="USD")
    assert await provider.payments.look_up(intent) == paid


async def test_all_refunds_of_a_time_are_listed_with_our_key_or_none(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 1000)
    paid = await provider.payments.refund(intent)
    await provider.refunded_elsewhere(charge, 500)
    since = min(refund.created_at for refund in await provider.refunds_of(charge))

    found = await listed(provider, since, charge)

    assert {(r.key, r.amount.amount_minor) for r in found} == {(intent.key, 1000), (None, 500)}
    [ours] = [refund for refund in found if refund.key]
    assert ours.receipt == paid.receipt
    assert ours.state is EffectState.SUCCEEDED
    assert ours.amount.currency == "USD"


async def test_refunds_from_before_a_time_are_not_listed_and_those_of_that_time_are(
    provider: Provider,
) -> None:
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    for slot in range(1, 4):
        await provider.payments.refund(refund_of(provider, charge, 1000, slot=slot))
        await provider.advance(timedelta(hours=1))
    _, second, third = await provider.refunds_of(charge)

    found = await listed(provider, second.created_at, charge)

    assert [refund.receipt for refund in found] == [second.receipt, third.receipt]


async def test_refunds_are_listed_as_they_stand_by_now(provider: Provider) -> None:
    needs(provider, "script", "clock")
    customer = await provider.customer()
    scripts = (["ok"], ["pending"], ["fail_later"])
    charges = [await provider.charge(customer, script=script) for script in scripts]
    for charge in charges:
        await provider.payments.refund(refund_of(provider, charge))
    [first] = await provider.refunds_of(charges[0])

    def states(refunds: list[ProviderRefund]) -> list[EffectState]:
        by_charge = {refund.charge_id: refund.state for refund in refunds}
        return [by_charge[charge] for charge in charges]

    accepted = states(await listed(provider, first.created_at, *charges))
    await provider.advance(timedelta(hours=2))
    decided = states(await listed(provider, first.created_at, *charges))

    assert accepted == [EffectState.SUCCEEDED, EffectState.PENDING, EffectState.PENDING]
    assert decided == [EffectState.SUCCEEDED, EffectState.SUCCEEDED, EffectState.FAILED]


async def test_more_refunds_than_a_page_holds_are_all_listed_once(provider: Provider) -> None:
    needs(provider, "many")
    charge = await provider.charge(await provider.customer())
    intents = [refund_of(provider, charge, 10, slot=slot) for slot in range(1, 121)]
    for start in range(0, 120, 10):
        await asyncio.gather(*map(provider.payments.refund, intents[start : start + 10]))
    since = min(refund.created_at for refund in await provider.refunds_of(charge))

    found = await listed(provider, since, charge)

    assert sorted(refund.key or "" for refund in found) == sorted(i.key for i in intents)


async def test_a_look_finds_its_own_refund_among_others_of_the_charge(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intents = [refund_of(provider, charge, 100 * slot, slot=slot) for slot in range(1, 6)]
    paid = [await provider.payments.refund(intent) for intent in intents]
    await provider.refunded_elsewhere(charge, 7)

    assert [await provider.payments.look_up(intent) for intent in intents] == paid
    unknown = refund_of(provider, charge, 100, slot=9)
    assert await provider.payments.look_up(unknown) is None
