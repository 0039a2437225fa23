"""What Stripe's answers mean, and what stands in its place when it is not Stripe that answers."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from cases.effects import EffectState, Outcome
from cases.errors import GatewayUnavailable
from gateways.stripe.connection import Connection
from gateways.stripe.errors import NoAnswer, in_our_words
from gateways.stripe.payments import StripePayments
from gateways.stripe.sdk import httpx
from tests.gateways.provider import refund_of
from tests.gateways.stripe_answers import INSTEAD, REFUSED, refused
from tests.gateways.stripe_fake import API_KEY
from tests.gateways.stripe_provider import StripeFakeProvider, open_stripe_fake
from workers.composition import Stores


@pytest.fixture
async def stripe(stores: Stores) -> AsyncGenerator[StripeFakeProvider]:
    async with open_stripe_fake(stores) as provider:
        yield provider


def _rejected(code: str) -> Outcome:
    return Outcome(state=EffectState.REJECTED, code=code)


async def _refund(stripe: StripeFakeProvider, word: str, **fields: Any) -> Outcome:
    charge = await stripe.charge(await stripe.customer(), script=[word], **fields)
    return await stripe.payments.refund(refund_of(stripe, charge))


@pytest.mark.parametrize("word", sorted(INSTEAD))
async def test_a_strange_answer_to_a_refund_is_not_known(
    stripe: StripeFakeProvider, word: str
) -> None:
    outcome = await _refund(stripe, word)

    expected = {"slow": "timed_out", "html_502": "provider_error"}
    assert outcome.state is EffectState.UNKNOWN
    assert outcome.code == expected.get(word, "unexpected_answer")
    [refund] = stripe.fake.refunds
    assert refund["status"] == "succeeded"  # which is why it must not be called a refusal


@pytest.mark.parametrize("word", sorted(INSTEAD))
async def test_a_strange_answer_to_a_question_is_no_answer(
    stripe: StripeFakeProvider, word: str
) -> None:
    customer = await stripe.customer()
    intent = refund_of(stripe, await stripe.charge(customer))
    stripe.fake.next_words = [word, word, word]

    with pytest.raises(GatewayUnavailable, match=r"^Stripe does not answer"):
        await stripe.payments.look_up(intent)
    with pytest.raises(GatewayUnavailable):
        await stripe.payments.find_charges(customer)
    with pytest.raises(GatewayUnavailable):
        _ = [r async for r in stripe.payments.refunds_since(stripe.fake.now)]


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("charge_disputed", "charge_disputed"),
        ("refund_disputed_payment", "charge_disputed"),
        ("amount_too_large", "amount_too_high"),
        ("charge_expired_for_capture", "charge_not_captured"),
        ("invalid_charge_amount_no_decimal_compatible", "amount_not_allowed"),
        ("balance_insufficient", "refused_balance_insufficient"),
        ("Évil code; DROP " + "x" * 99, "refused__vil_code__drop_" + "x" * 24),
    ],
)
@pytest.mark.parametrize("status", [400, 402])
async def test_a_refusal_has_our_word_or_carries_a_clean_one(
    stripe: StripeFakeProvider, monkeypatch: pytest.MonkeyPatch, code: str, ours: str, status: int
) -> None:
    monkeypatch.setitem(REFUSED, "this", refused("No.", code, status=status))

    assert await _refund(stripe, "this") == _rejected(ours)


@pytest.mark.parametrize(
    ("word", "code", "wait"),
    [
        ("429", "rate_limited", timedelta(seconds=1)),
        ("429_wait", "rate_limited", timedelta(seconds=7)),
        ("lock", "in_progress", timedelta(seconds=1)),
        ("409", "in_progress", timedelta(seconds=1)),
        ("conflict", "in_progress", timedelta(seconds=1)),
    ],
)
async def test_who_is_asked_to_wait_is_told_how_long(
    stripe: StripeFakeProvider, word: str, code: str, wait: timedelta
) -> None:
    outcome = await _refund(stripe, word)

    assert outcome == Outcome(state=EffectState.UNKNOWN, code=code, retry_after=wait)


@pytest.mark.parametrize("given", ["-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "", "9" * 6])
async def test_a_strange_wait_is_a_short_one_or_a_bounded_one(
    stripe: StripeFakeProvider, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    answer = refused("Slow down.", "rate_limit", status=429)
    answer.response.headers["Retry-After"] = given
    monkeypatch.setitem(INSTEAD, "this", answer)

    outcome = await _refund(stripe, "this")

    bounded = timedelta(minutes=10) if given.startswith("9") else timedelta(seconds=1)
    assert outcome.retry_after == bounded


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", EffectState.SUCCEEDED),
        ("pending", EffectState.PENDING),
        ("requires_action", EffectState.PENDING),
        ("failed", EffectState.FAILED),
        ("canceled", EffectState.FAILED),
        ("invented", EffectState.UNKNOWN),
        (None, EffectState.UNKNOWN),
    ],
)
async def test_a_refund_stands_as_its_status_says(
    stripe: StripeFakeProvider, status: str | None, state: EffectState
) -> None:
    charge = await stripe.charge(await stripe.customer())
    intent = refund_of(stripe, charge)
    await stripe.payments.refund(intent)
    stripe.fake.refunds[0]["status"] = status

    found = await stripe.payments.look_up(intent)

    assert found
    assert found.state is state
    [listed] = [r async for r in stripe.payments.refunds_since(stripe.fake.now - timedelta(1))]
    assert listed.state is state


@pytest.mark.parametrize(
    "changed", [{"amount": 1}, {"currency": "eur"}, {"charge": "ch_of_another"}, {"created": -1}]
)
async def test_a_refund_that_is_not_what_was_asked_for_is_not_called_one(
    stripe: StripeFakeProvider, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    charge = await stripe.charge(await stripe.customer())
    add = stripe.fake.add_refund
    monkeypatch.setattr(stripe.fake, "add_refund", lambda *given: {**add(*given), **changed})  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    outcome = await stripe.payments.refund(refund_of(stripe, charge))

    assert outcome == Outcome(state=EffectState.UNKNOWN, code="unexpected_answer")


async def test_a_key_that_another_case_used_first_answers_with_what_it_paid(
    stripe: StripeFakeProvider,
) -> None:
    intent = refund_of(stripe, await stripe.charge(await stripe.customer()))
    paid = await stripe.payments.refund(intent)

    again = await stripe.payments.refund(intent.model_copy(update={"case_id": "case_2"}))

    assert again == paid
    assert len(stripe.fake.refunds) == 1


async def test_an_uncaptured_charge_is_not_given_up(stripe: StripeFakeProvider) -> None:
    """Stripe would take it for a request to give up the whole charge."""
    charge = await stripe.charge(await stripe.customer())
    stripe.fake.charges[charge]["captured"] = False

    outcome = await stripe.payments.refund(refund_of(stripe, charge))

    assert outcome == _rejected("charge_not_captured")
    assert stripe.fake.posts == []


async def test_another_currency_is_refused_before_anything_is_sent(
    stripe: StripeFakeProvider,
) -> None:
    """Stripe takes no currency: it would pay 4999 of whatever the charge is in."""
    charge = await stripe.charge(await stripe.customer(), currency="KRW")

    assert await stripe.payments.refund(refund_of(stripe, charge)) == _rejected("currency_differs")
    assert stripe.fake.posts == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx.ConnectError("refused"), "not_sent"),
        (httpx.ConnectTimeout("no route"), "not_sent"),
        (httpx.PoolTimeout("busy"), "not_sent"),
        (httpx.ReadTimeout("slow"), "timed_out"),
        (httpx.WriteTimeout("slow"), "timed_out"),
        (TimeoutError(), "timed_out"),
        (httpx.WriteError("broken"), "no_answer"),
        (httpx.ReadError("broken"), "no_answer"),
        (httpx.RemoteProtocolError("closed"), "no_answer"),
        (httpx.DecodingError("no gzip"), "unexpected_answer"),
        (AttributeError("get"), "unexpected_answer"),
    ],
)
def test_only_what_broke_before_the_first_byte_was_not_sent(error: Exception, code: str) -> None:
    meaning = in_our_words(error)

    assert (type(meaning), meaning.code) == (NoAnswer, code)


@pytest.mark.parametrize("url", ["https", "host"])
async def test_what_could_not_be_sent_is_known_not_to_be_sent(
    stripe: StripeFakeProvider, url: str
) -> None:
    there = {"https": stripe.fake.url.replace("http:", "https:"), "host": "http://nowhere.invalid"}
    payments = StripePayments(Connection(API_KEY, url=there[url]), "acct_fake")
    intent = refund_of(stripe, await stripe.charge(await stripe.customer()))

    outcome = await payments.refund(intent)
    await payments.aclose()

    assert outcome == Outcome(state=EffectState.UNKNOWN, code="not_sent")
