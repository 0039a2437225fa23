"""What every payment adapter must say of refunds that are refused, and of those decided later."""

import asyncio
from datetime import timedelta

import pytest

from cases.billing import ChargeStatus
from cases.effects import EffectState, Outcome
from tests.gateways.provider import Provider, needs, refund_of

ALREADY = Outcome(state=EffectState.REJECTED, code="charge_already_refunded")


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        ([5000], "amount_too_high"),
        ([4000, 1000], "amount_too_high"),
        ([4999, 1], "charge_already_refunded"),
        ([4999, 4999], "charge_already_refunded"),
        ([4000, 999, 1], "charge_already_refunded"),
    ],
)
async def test_no_more_is_paid_back_than_was_charged(
    provider: Provider, amounts: list[int], code: str
) -> None:
    charge = await provider.charge(await provider.customer())

    outcomes = [
        await provider.payments.refund(refund_of(provider, charge, minor, slot=slot))
        for slot, minor in enumerate(amounts, 1)
    ]

    assert outcomes[-1] == Outcome(state=EffectState.REJECTED, code=code)
    paid = [refund.amount.amount_minor for refund in await provider.refunds_of(charge)]
    assert paid == amounts[:-1]


async def test_partial_refunds_add_up_to_the_charge(provider: Provider) -> None:
    customer = await provider.customer()
    charge = await provider.charge(customer)

    for slot, minor in enumerate((4000, 998, 1), 1):
        outcome = await provider.payments.refund(refund_of(provider, charge, minor, slot=slot))
        assert outcome.state is EffectState.SUCCEEDED

    [found] = await provider.payments.find_charges(customer)
    assert found.refunded == found.amount
    assert not found.refundable


@pytest.mark.parametrize("word", ["disputed", "not_captured", "too_high"])
async def test_what_the_provider_refuses_is_rejected_by_its_name_and_leaves_nothing(
    provider: Provider, word: str
) -> None:
    needs(provider, "script")
    codes = {
        "disputed": "charge_disputed",
        "not_captured": "charge_not_captured",
        "too_high": "amount_too_high",
    }
    charge = await provider.charge(await provider.customer(), script=[word])
    intent = refund_of(provider, charge)

    refused = await provider.payments.refund(intent)

    assert refused == Outcome(state=EffectState.REJECTED, code=codes[word])
    assert await provider.payments.look_up(intent) is None
    assert await provider.refunds_of(charge) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (ChargeStatus.DISPUTED, "charge_disputed"),
        (ChargeStatus.PENDING, "charge_not_captured"),
        (ChargeStatus.REVERSED, "charge_not_captured"),
    ],
)
async def test_only_a_captured_charge_is_paid_back(
    provider: Provider, status: ChargeStatus, code: str
) -> None:
    needs(provider, "script")  # that cannot bring about such charges either
    charge = await provider.charge(await provider.customer(), status=status)

    refused = await provider.payments.refund(refund_of(provider, charge))

    assert refused == Outcome(state=EffectState.REJECTED, code=code)
    assert await provider.refunds_of(charge) == []


async def test_a_refund_in_another_currency_is_rejected(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())

    refused = await provider.payments.refund(refund_of(provider, charge, 4999, "EUR"))

    assert refused == Outcome(state=EffectState.REJECTED, code="currency_differs")
    assert await provider.refunds_of(charge) == []


async def test_a_charge_that_is_not_there_is_rejected(provider: Provider) -> None:
    intent = refund_of(provider, "ch_that_is_nowhere")

    refused = await provider.payments.refund(intent)

    assert refused == Outcome(state=EffectState.REJECTED, code="charge_not_found")
    assert await provider.payments.look_up(intent) is None


async def test_what_somebody_else_refunded_is_neither_repeated_nor_taken_for_ours(
    provider: Provider,
) -> None:
    charge = await provider.charge(await provider.customer())
    await provider.refunded_elsewhere(charge, 4999)
    intent = refund_of(provider, charge)

    assert await provider.payments.refund(intent) == ALREADY
    assert await provider.payments.look_up(intent) is None
    assert len(await provider.refunds_of(charge)) == 1


async def test_what_somebody_else_refunded_meanwhile_is_said(provider: Provider) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["already_refunded"])
    intent = refund_of(provider, charge)

    assert await provider.payments.refund(intent) == ALREADY
    assert await provider.payments.refund(intent) == ALREADY
    assert [refund.key for refund in await provider.refunds_of(charge)] == [None]


async def test_a_part_that_somebody_else_refunded_leaves_the_rest_to_us(
    provider: Provider,
) -> None:
    charge = await provider.charge(await provider.customer())
    await provider.refunded_elsewhere(charge, 999)

    paid = await provider.payments.refund(refund_of(provider, charge, 4000, slot=1))
    refused = await provider.payments.refund(refund_of(provider, charge, 1, slot=2))

    assert paid.state is EffectState.SUCCEEDED
    assert refused == ALREADY


async def test_of_two_that_pay_back_all_at_once_one_is_refused(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intents = [refund_of(provider, charge, slot=slot) for slot in (1, 2)]

    outcomes = await asyncio.gather(*map(provider.payments.refund, intents))

    assert [o.state for o in outcomes].count(EffectState.SUCCEEDED) == 1
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_pending_refund_is_no_success_until_it_is_one(provider: Provider) -> None:
    needs(provider, "script", "clock")
    charge = await provider.charge(await provider.customer(), script=["pending"])
    intent = refund_of(provider, charge)

    accepted = await provider.payments.refund(intent)
    before = await provider.payments.look_up(intent)
    await provider.advance(timedelta(hours=2))
    after = await provider.payments.look_up(intent)

    assert accepted.state is EffectState.PENDING
    assert accepted.receipt
    assert before == accepted
    assert after == Outcome(state=EffectState.SUCCEEDED, receipt=accepted.receipt)
    await provider.payments.refund(intent)
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_pending_refund_counts_towards_the_charge(provider: Provider) -> None:
    needs(provider, "script")
    customer = await provider.customer()
    charge = await provider.charge(customer, script=["pending"])
    await provider.payments.refund(refund_of(provider, charge, slot=1))

    [found] = await provider.payments.find_charges(customer)

    assert not found.refundable
    assert await provider.payments.refund(refund_of(provider, charge, slot=2)) == ALREADY


async def test_a_refund_that_failed_later_is_money_back_and_another_attempt_pays(
    provider: Provider,
) -> None:
    needs(provider, "script", "clock")
    customer = await provider.customer()
    charge = await provider.charge(customer, script=["fail_later"])
    first, second = (refund_of(provider, charge, attempt=attempt) for attempt in (1, 2))

    accepted = await provider.payments.refund(first)
    await provider.advance(timedelta(hours=2))

    assert accepted.state is EffectState.PENDING
    failed = await provider.payments.look_up(first)
    assert failed
    assert (failed.state, failed.receipt) == (EffectState.FAILED, accepted.receipt)
    [found] = await provider.payments.find_charges(customer)
    assert found.refundable == found.amount
    paid = await provider.payments.refund(second)
    assert paid.state is EffectState.SUCCEEDED
    assert await provider.payments.look_up(second) == paid
    assert await provider.payments.look_up(first) == failed


async def test_our_refund_that_failed_is_no_success_where_somebody_else_paid_since(
    provider: Provider,
) -> None:
    """That ours failed and that there is nothing left are both true."""
    needs(provider, "script", "clock")
    charge = await provider.charge(await provider.customer(), script=["fail_later"])
    intent = refund_of(provider, charge)
    await provider.payments.refund(intent)
    await provider.advance(timedelta(hours=25))
    await provider.refunded_elsewhere(charge, 4999)

    outcome = await provider.payments.refund(intent)

    assert outcome == ALREADY or outcome.state is EffectState.FAILED
    assert len(await provider.refunds_of(charge)) == 2


async def test_of_two_refunds_with_one_key_the_one_that_stands_is_found(
    provider: Provider,
) -> None:
    """The first one failed, and the provider had forgotten the key when it was sent again."""
    needs(provider, "script", "clock")
    charge = await provider.charge(await provider.customer(), script=["fail_later"])
    intent = refund_of(provider, charge)
    await provider.payments.refund(intent)
    await provider.advance(timedelta(hours=25))

    paid = await provider.payments.refund(intent)

    assert paid.state is EffectState.SUCCEEDED
    assert len(await provider.refunds_of(charge)) == 2
    assert await provider.payments.look_up(intent) == paid
