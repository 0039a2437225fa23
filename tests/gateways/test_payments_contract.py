"""What every payment adapter must do, tried over every provider: one key moves money once."""

import asyncio
from datetime import timedelta

from cases.effects import EffectState, Outcome
from cases.money import Money
from tests.gateways.provider import Provider, needs, refund_of

DAY_AND_MORE = timedelta(hours=25)


async def test_a_refund_pays_back_and_is_found_by_its_key(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge)
    assert await provider.payments.look_up(intent) is None

    paid = await provider.payments.refund(intent)

    assert paid.state is EffectState.SUCCEEDED
    assert paid.receipt
    assert await provider.payments.look_up(intent) == paid
    [refund] = await provider.refunds_of(charge)
    assert (refund.receipt, refund.amount, refund.key) == (paid.receipt, intent.amount, intent.key)


async def test_the_same_key_twice_is_one_refund_with_one_receipt(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge)

    first = await provider.payments.refund(intent)

    assert await provider.payments.refund(intent) == first
    assert len(await provider.refunds_of(charge)) == 1


async def test_the_same_key_for_part_of_a_charge_is_paid_once(provider: Provider) -> None:
    """No provider refuses the second half of a charge: here only the key holds."""
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 1000)

    outcomes = [await provider.payments.refund(intent) for _ in range(3)]

    assert len({outcome.receipt for outcome in outcomes}) == 1
    assert [refund.amount.amount_minor for refund in await provider.refunds_of(charge)] == [1000]


async def test_the_same_key_for_another_amount_is_an_error_and_no_refund(
    provider: Provider,
) -> None:
    charge = await provider.charge(await provider.customer())
    await provider.payments.refund(refund_of(provider, charge, 2000))

    other = await provider.payments.refund(refund_of(provider, charge, 1000))

    assert other == Outcome(state=EffectState.REJECTED, code="idempotency_error")
    assert [refund.amount.amount_minor for refund in await provider.refunds_of(charge)] == [2000]


async def test_the_same_key_for_another_charge_is_an_error_and_no_refund(
    provider: Provider,
) -> None:
    """Two cases that each picked the other twin of a pair meet in one key."""
    customer = await provider.customer()
    charge, twin = [await provider.charge(customer) for _ in range(2)]
    intent = refund_of(provider, charge)
    await provider.payments.refund(intent)

    other = await provider.payments.refund(intent.model_copy(update={"charge_id": twin}))

    assert other == Outcome(state=EffectState.REJECTED, code="idempotency_error")
    assert await provider.refunds_of(twin) == []


async def test_one_key_at_once_for_both_twins_pays_one_of_them(provider: Provider) -> None:
    """The same as above, when neither call can see the other's answer yet."""
    customer = await provider.customer()
    pairs = [[await provider.charge(customer) for _ in range(2)] for _ in range(8)]
    intents = [
        refund_of(provider, first).model_copy(update={"charge_id": charge})
        for first, twin in pairs
        for charge in (first, twin)
    ]

    await asyncio.gather(*map(provider.payments.refund, intents))

    for pair in pairs:
        assert len([r for charge in pair for r in await provider.refunds_of(charge)]) == 1


async def test_eight_at_once_with_the_same_key_are_one_refund(provider: Provider) -> None:
    """A provider may say of some that it is still at it: then they are asked again."""
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 1000)

    outcomes = await asyncio.gather(*(provider.payments.refund(intent) for _ in range(8)))

    [receipt] = {o.receipt for o in outcomes if o.state is EffectState.SUCCEEDED}
    others = [o for o in outcomes if o.state is not EffectState.SUCCEEDED]
    assert all(o.state is EffectState.UNKNOWN and o.retry_after for o in others)
    assert [refund.receipt for refund in await provider.refunds_of(charge)] == [receipt]
    assert (await provider.payments.refund(intent)).receipt == receipt


async def test_two_keys_at_once_never_pay_back_more_than_the_charge(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())
    intents = [refund_of(provider, charge, 2000, slot=slot) for slot in range(1, 9)]

    outcomes = await asyncio.gather(*map(provider.payments.refund, intents))

    states = [outcome.state for outcome in outcomes]
    assert states.count(EffectState.SUCCEEDED) == 2
    assert sum(r.amount.amount_minor for r in await provider.refunds_of(charge)) == 4000


async def test_a_call_that_was_cancelled_is_found_or_made_once_by_the_next(
    provider: Provider,
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["hang"])
    intent = refund_of(provider, charge, 1000)
    call = asyncio.create_task(provider.payments.refund(intent))
    async with asyncio.timeout(30):
        while not await provider.refunds_of(charge):  # noqa: ASYNC110  it is the outside's state
            await asyncio.sleep(0.02)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    outcome = await provider.payments.refund(intent)

    assert outcome.state is EffectState.SUCCEEDED
    assert [refund.receipt for refund in await provider.refunds_of(charge)] == [outcome.receipt]


async def test_another_attempt_is_another_refund(provider: Provider) -> None:
    charge = await provider.charge(await provider.customer())

    first = await provider.payments.refund(refund_of(provider, charge, 1000))
    second = await provider.payments.refund(refund_of(provider, charge, 1000, attempt=2))

    assert [first.receipt, second.receipt] == [r.receipt for r in await provider.refunds_of(charge)]


async def test_a_key_that_was_forgotten_is_still_found_at_its_refund(provider: Provider) -> None:
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 1000)
    paid = await provider.payments.refund(intent)

    await provider.advance(DAY_AND_MORE)

    assert await provider.payments.look_up(intent) == paid
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_forgotten_key_sent_again_for_the_whole_charge_answers_with_our_own_refund(
    provider: Provider,
) -> None:
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge)
    paid = await provider.payments.refund(intent)
    await provider.advance(DAY_AND_MORE)

    assert await provider.payments.refund(intent) == paid
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_forgotten_key_sent_again_for_more_than_is_left_answers_with_our_own_refund(
    provider: Provider,
) -> None:
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 4000)
    paid = await provider.payments.refund(intent)
    await provider.advance(DAY_AND_MORE)

    assert await provider.payments.refund(intent) == paid
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_forgotten_key_sent_again_for_another_amount_is_not_answered_with_the_old_one(
    provider: Provider,
) -> None:
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    await provider.payments.refund(refund_of(provider, charge, 1000))
    await provider.advance(DAY_AND_MORE)

    other = await provider.payments.refund(refund_of(provider, charge, 4999))

    assert other == Outcome(state=EffectState.REJECTED, code="amount_too_high")
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_key_is_known_for_most_of_a_day(provider: Provider) -> None:
    """The ledger looks first from 20 hours on: until then the key alone must hold."""
    needs(provider, "clock")
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge, 1000)
    paid = await provider.payments.refund(intent)
    await provider.advance(timedelta(hours=23))

    assert await provider.payments.refund(intent) == paid
    assert len(await provider.refunds_of(charge)) == 1


async def test_the_provider_is_told_nothing_of_the_person(provider: Provider) -> None:
    customer = await provider.customer()
    charge = await provider.charge(customer)
    intent = refund_of(provider, charge, customer=customer)
    personal = intent.model_copy(update={"content": "Sam Example, sam@example.com, +49 30 1234"})

    paid = await provider.payments.refund(personal)

    assert paid.state is EffectState.SUCCEEDED
    told = await provider.told_of(charge)
    assert intent.key in told
    assert not [t for t in told for word in (customer, "Sam", "@", "+49") if word in t]


async def test_yen_and_dinars_travel_to_the_last_unit(provider: Provider) -> None:
    needs(provider, "currencies")
    customer = await provider.customer()
    for minor, currency in ((5000, "JPY"), (12_340, "BHD"), (1, "KWD"), (999_999, "EUR")):
        charge = await provider.charge(customer, minor=minor * 10, currency=currency)

        paid = await provider.payments.refund(refund_of(provider, charge, minor * 10, currency))

        assert paid.state is EffectState.SUCCEEDED
        expected = Money(amount_minor=minor * 10, currency=currency)
        assert [refund.amount for refund in await provider.refunds_of(charge)] == [expected]
        found = {c.charge_id: c for c in await provider.payments.find_charges(customer)}
        assert found[charge].amount == found[charge].refunded == expected
