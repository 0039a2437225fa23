"""What leaves for Stripe: once, under our key, in a pinned version, and nothing personal."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncGenerator

import pytest

from activities.options import EFFECT
from cases.effects import EffectState
from cases.errors import GatewayUnavailable
from gateways.stripe.connection import API_VERSION, DEADLINE, Connection
from gateways.stripe.payments import StripePayments
from gateways.stripe.sdk import stripe as sdk
from tests.gateways.provider import refund_of
from tests.gateways.stripe_fake import API_KEY
from tests.gateways.stripe_provider import StripeFakeProvider, open_stripe_fake
from workers.composition import Stores


@pytest.fixture
async def stripe(stores: Stores) -> AsyncGenerator[StripeFakeProvider]:
    async with open_stripe_fake(stores) as provider:
        yield provider


def test_the_api_version_is_the_one_that_the_pinned_sdk_was_made_for() -> None:
    """An upgrade of the SDK fails here: read Stripe's list of changes, then write the new one."""
    assert sdk.api_version == API_VERSION


def test_a_refund_gives_up_before_the_activity_that_asked_for_it() -> None:
    assert EFFECT.attempt > DEADLINE


async def test_every_request_carries_the_key_and_the_version(stripe: StripeFakeProvider) -> None:
    customer = await stripe.customer()
    intent = refund_of(stripe, await stripe.charge(customer))
    await stripe.payments.refund(intent)
    await stripe.payments.find_charges(customer)
    await stripe.payments.look_up(intent)

    assert len(stripe.fake.requests) == 4
    for request in stripe.fake.requests:
        assert request.headers["authorization"] == f"Bearer {API_KEY}"
        assert request.headers["stripe-version"] == API_VERSION
    lists = [r for r in stripe.fake.requests if r.path in ("/v1/charges", "/v1/refunds")]
    assert {r.params["limit"] for r in lists if r.method == "GET"} == {"100"}


async def test_a_refund_is_asked_for_under_our_key_with_all_it_is_and_nothing_more(
    stripe: StripeFakeProvider,
) -> None:
    charge = await stripe.charge(await stripe.customer(), currency="EUR")
    intent = refund_of(stripe, charge, 1234, "EUR", customer="cus_secret")
    await stripe.payments.refund(intent)

    [post] = stripe.fake.posts
    assert post.path == "/v1/refunds"
    assert post.headers["idempotency-key"] == intent.key
    assert post.nested("metadata") == {
        "casekeeper_key": intent.key,
        "casekeeper_digest": intent.parameters_digest,
        "case_id": "case_1",
    }
    others = {name: text for name, text in post.params.items() if "metadata" not in name}
    assert others == {"charge": charge, "amount": "1234"}


async def test_stripe_is_told_nothing_about_this_machine(stripe: StripeFakeProvider) -> None:
    charge = await stripe.charge(await stripe.customer())
    for slot in (1, 2):
        await stripe.payments.refund(refund_of(stripe, charge, 1000, slot=slot))

    for request in stripe.fake.requests:
        about = json.loads(request.headers["x-stripe-client-user-agent"])
        assert set(about) <= {"bindings_version", "lang", "lang_version", "httplib", "ai_agent"}
        assert "x-stripe-client-telemetry" not in request.headers


@pytest.mark.parametrize("word", ["500", "503", "429", "409", "lock", "401", "drop", "hang"])
async def test_a_call_is_one_request_whatever_comes_of_it(
    stripe: StripeFakeProvider, word: str
) -> None:
    intent = refund_of(stripe, await stripe.charge(await stripe.customer(), script=[word]))

    outcome = await stripe.payments.refund(intent)

    assert outcome.state is EffectState.UNKNOWN
    assert [(r.method, r.path.split("/")[2]) for r in stripe.fake.requests] == [
        ("GET", "charges"),
        ("POST", "refunds"),
    ]


@pytest.mark.parametrize("word", ["drop", "hang", "html_502", "html_200", "no_fields"])
async def test_where_the_charge_cannot_be_read_nothing_is_sent(
    stripe: StripeFakeProvider, word: str
) -> None:
    charge = await stripe.charge(await stripe.customer())
    stripe.fake.next_words = [word]

    outcome = await stripe.payments.refund(refund_of(stripe, charge))

    assert (outcome.state, outcome.code) == (EffectState.UNKNOWN, "not_sent")
    assert stripe.fake.posts == []


@pytest.mark.parametrize("word", ["429_wait", "503", "401"])
async def test_a_question_is_one_request_too(stripe: StripeFakeProvider, word: str) -> None:
    customer = await stripe.customer()
    stripe.fake.next_words = [word]

    with pytest.raises(GatewayUnavailable):
        await stripe.payments.find_charges(customer)

    assert len(stripe.fake.requests) == 1


@pytest.mark.parametrize("word", ["ok", "401", "500", "html_200", "drop", "too_high"])
async def test_neither_the_key_nor_a_person_is_in_a_log_or_an_error(
    stripe: StripeFakeProvider, caplog: pytest.LogCaptureFixture, word: str
) -> None:
    caplog.set_level(logging.DEBUG)
    customer = await stripe.customer()
    intent = refund_of(stripe, await stripe.charge(customer, script=[word]))
    texts = [str(await stripe.payments.refund(intent))]
    stripe.fake.next_words = [word] if word not in ("ok", "too_high") else ["html_502"]
    try:
        await stripe.payments.find_charges(customer)
    except GatewayUnavailable as error:
        texts += traceback.format_exception(error)
        texts += [repr(error.__cause__), repr(error.__context__)]

    told = "".join([*texts, caplog.text])
    for secret in (API_KEY, API_KEY[-8:], "rEtE", customer, "sam@example.com", "Sam Example"):
        assert secret not in told


async def test_others_go_on_while_a_refund_waits(stripe: StripeFakeProvider) -> None:
    hanging = refund_of(stripe, await stripe.charge(await stripe.customer(), script=["hang"]))
    waiting = asyncio.create_task(stripe.payments.refund(hanging))
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        turns += 1

    assert waiting.result().code == "timed_out"
    assert turns > 20


async def test_many_refunds_go_out_side_by_side(stripe: StripeFakeProvider) -> None:
    payments = StripePayments(Connection(API_KEY, url=stripe.fake.url), "acct_fake")
    customer = await stripe.customer()
    charges = [await stripe.charge(customer) for _ in range(40)]

    paid = await asyncio.gather(*(payments.refund(refund_of(stripe, c)) for c in charges))
    await payments.aclose()

    assert {outcome.state for outcome in paid} == {EffectState.SUCCEEDED}
    assert len(stripe.fake.refunds) == 40
