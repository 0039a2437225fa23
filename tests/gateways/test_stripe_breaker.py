"""A key that Stripe does not accept: nothing more is sent for a minute, and somebody is told."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from cases.effects import EffectState, Outcome
from cases.errors import GatewayUnavailable
from gateways.stripe.breaker import Breaker
from gateways.stripe.connection import Connection
from gateways.stripe.payments import StripePayments
from tests.gateways.provider import refund_of
from tests.gateways.stripe_fake import API_KEY
from tests.gateways.stripe_provider import StripeFakeProvider, open_stripe_fake
from workers.composition import Stores

NOT_AUTHORISED = Outcome(
    state=EffectState.UNKNOWN, code="not_authorised", retry_after=timedelta(seconds=60)
)


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def stripe(stores: Stores) -> AsyncGenerator[StripeFakeProvider]:
    async with open_stripe_fake(stores) as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def payments(stripe: StripeFakeProvider, clock: Clock) -> AsyncGenerator[StripePayments]:
    connection = Connection(API_KEY, url=stripe.fake.url, breaker=Breaker(clock=clock))
    adapter = StripePayments(connection, "acct_fake")
    yield adapter
    await adapter.aclose()


@pytest.mark.parametrize("word", ["401", "403"])
async def test_after_a_refused_key_no_call_leaves_for_a_minute(
    stripe: StripeFakeProvider, payments: StripePayments, clock: Clock, word: str
) -> None:
    customer = await stripe.customer()
    charge = await stripe.charge(customer, script=[word])
    intent = refund_of(stripe, charge)

    assert await payments.refund(intent) == NOT_AUTHORISED
    sent = len(stripe.fake.requests)
    clock.now += 59.9
    assert await payments.refund(intent) == NOT_AUTHORISED
    for question in (payments.look_up(intent), payments.find_charges(customer)):
        with pytest.raises(GatewayUnavailable) as caught:
            await question
        assert caught.value.retry_after == timedelta(seconds=60)
    assert len(stripe.fake.requests) == sent

    clock.now += 0.1
    assert (await payments.refund(intent)).state is EffectState.SUCCEEDED


async def test_a_key_that_is_still_refused_after_the_minute_stops_the_queue_again(
    stripe: StripeFakeProvider,
    payments: StripePayments,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    charge = await stripe.charge(await stripe.customer(), script=["401", "401"])
    intent = refund_of(stripe, charge)

    for _ in range(3):
        assert await payments.refund(intent) == NOT_AUTHORISED
    clock.now += 60
    for _ in range(3):
        assert await payments.refund(intent) == NOT_AUTHORISED

    assert len(stripe.fake.posts) == 2
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 2  # one for each time that it was found refused
    assert "does not accept the API key" in errors[0].getMessage()


async def test_calls_that_were_under_way_together_are_one_line_in_the_log(
    stripe: StripeFakeProvider, payments: StripePayments, caplog: pytest.LogCaptureFixture
) -> None:
    charge = await stripe.charge(await stripe.customer(), script=["401"] * 5)

    outcomes = await asyncio.gather(
        *(payments.refund(refund_of(stripe, charge, 100, slot=slot)) for slot in range(5))
    )

    assert outcomes == [NOT_AUTHORISED] * 5
    assert len(stripe.fake.posts) > 1
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


@pytest.mark.parametrize("word", ["500", "503", "429", "409", "drop", "disputed"])
async def test_nothing_else_stops_the_queue(
    stripe: StripeFakeProvider, payments: StripePayments, word: str
) -> None:
    customer = await stripe.customer()
    await payments.refund(refund_of(stripe, await stripe.charge(customer, script=[word])))

    paid = await payments.refund(refund_of(stripe, await stripe.charge(customer)))

    assert paid.state is EffectState.SUCCEEDED
