"""What every payment adapter must do when answers are lost, late or useless.

It never raises for a refund: what is not known is returned as such, and the same key asked again,
or a look at the provider's refunds, tells.
"""

from datetime import UTC, datetime, timedelta

import pytest

from cases.effects import EffectState
from cases.errors import GatewayUnavailable
from tests.gateways.provider import Provider, needs, refund_of

LOST = [["drop"], ["hang"], ["drop", "drop", "hang", "hang"]]


@pytest.mark.parametrize("script", LOST, ids=" ".join)
async def test_a_lost_answer_is_not_known_and_the_same_key_pays_once(
    provider: Provider, script: list[str]
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=script)
    intent = refund_of(provider, charge, 1000)

    lost = [await provider.payments.refund(intent) for _ in script]
    paid = await provider.payments.refund(intent)

    assert {outcome.state for outcome in lost} == {EffectState.UNKNOWN}
    assert {outcome.code for outcome in lost} <= {"no_answer", "timed_out"}
    assert paid.state is EffectState.SUCCEEDED
    assert [refund.receipt for refund in await provider.refunds_of(charge)] == [paid.receipt]


@pytest.mark.parametrize(("word", "code"), [("drop", "no_answer"), ("hang", "timed_out")])
async def test_a_look_finds_the_refund_whose_answer_was_lost(
    provider: Provider, word: str, code: str
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=[word])
    intent = refund_of(provider, charge)

    lost = await provider.payments.refund(intent)
    found = await provider.payments.look_up(intent)

    assert (lost.state, lost.code, lost.receipt) == (EffectState.UNKNOWN, code, None)
    assert found
    assert found.state is EffectState.SUCCEEDED
    assert [refund.receipt for refund in await provider.refunds_of(charge)] == [found.receipt]


async def test_a_lost_answer_of_a_pending_refund_is_found_as_pending(provider: Provider) -> None:
    """The word for the call is taken by the first one: the second only repeats its answer."""
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["pending", "drop"])
    intent = refund_of(provider, charge)

    first, lost = [await provider.payments.refund(intent) for _ in range(2)]
    found = await provider.payments.look_up(intent)

    assert (first.state, lost.state) == (EffectState.PENDING, EffectState.UNKNOWN)
    assert found == first


async def test_a_call_that_never_arrived_is_not_known_and_left_nothing(provider: Provider) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["hang_before"])
    intent = refund_of(provider, charge)

    lost = await provider.payments.refund(intent)

    assert lost.state is EffectState.UNKNOWN
    assert await provider.payments.look_up(intent) is None
    paid = await provider.payments.refund(intent)
    assert paid.state is EffectState.SUCCEEDED
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_stored_error_is_repeated_to_its_key_so_that_only_looking_helps(
    provider: Provider,
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["500"])
    intent = refund_of(provider, charge)

    outcomes = [await provider.payments.refund(intent) for _ in range(3)]

    assert {(o.state, o.code) for o in outcomes} == {(EffectState.UNKNOWN, "provider_error")}
    assert await provider.payments.look_up(intent) is None
    assert await provider.refunds_of(charge) == []


async def test_a_stored_error_does_not_stand_in_the_way_of_another_attempt(
    provider: Provider,
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["500"])
    await provider.payments.refund(refund_of(provider, charge))

    paid = await provider.payments.refund(refund_of(provider, charge, attempt=2))

    assert paid.state is EffectState.SUCCEEDED
    assert len(await provider.refunds_of(charge)) == 1


async def test_a_stored_error_is_forgotten_with_its_key(provider: Provider) -> None:
    needs(provider, "script", "clock")
    charge = await provider.charge(await provider.customer(), script=["500"])
    intent = refund_of(provider, charge)
    await provider.payments.refund(intent)
    await provider.advance(timedelta(hours=25))

    paid = await provider.payments.refund(intent)

    assert paid.state is EffectState.SUCCEEDED
    assert len(await provider.refunds_of(charge)) == 1


@pytest.mark.parametrize(
    ("word", "code", "says_when"),
    [
        ("503", "provider_error", False),
        ("429", "rate_limited", True),
        ("409", "in_progress", True),
        ("401", "not_authorised", True),
    ],
)
async def test_a_call_that_was_turned_away_left_nothing_and_may_be_repeated(
    provider: Provider, word: str, code: str, *, says_when: bool
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=[word])
    intent = refund_of(provider, charge)

    away = await provider.payments.refund(intent)

    assert (away.state, away.code, away.receipt) == (EffectState.UNKNOWN, code, None)
    assert away.retry_after or not says_when
    assert await provider.refunds_of(charge) == []
    assert await provider.payments.look_up(intent) is None
    assert (await provider.payments.refund(intent)).state is EffectState.SUCCEEDED
    assert len(await provider.refunds_of(charge)) == 1


async def test_after_a_key_was_refused_the_queue_stands_longer_than_after_a_rush(
    provider: Provider,
) -> None:
    needs(provider, "script")
    charge = await provider.charge(await provider.customer(), script=["401", "429"])
    intent = refund_of(provider, charge)

    refused, rush = [await provider.payments.refund(intent) for _ in range(2)]

    assert refused.retry_after == timedelta(seconds=60)
    assert rush.retry_after == timedelta(seconds=1)


async def test_a_provider_that_cannot_be_reached_is_not_known_and_no_refusal(
    provider: Provider,
) -> None:
    needs(provider, "unreachable")
    charge = await provider.charge(await provider.customer())

    lost = await provider.unreachable().refund(refund_of(provider, charge))

    assert lost.state is EffectState.UNKNOWN
    assert lost.code in ("no_answer", "not_sent")
    assert await provider.refunds_of(charge) == []


async def test_a_provider_that_cannot_be_reached_answers_no_question(provider: Provider) -> None:
    """None and an empty list would mean that there is nothing: only an error is honest."""
    needs(provider, "unreachable")
    customer = await provider.customer()
    intent = refund_of(provider, await provider.charge(customer))
    closed = provider.unreachable()

    with pytest.raises(GatewayUnavailable):
        await closed.look_up(intent)
    with pytest.raises(GatewayUnavailable):
        await closed.find_charges(customer)
    with pytest.raises(GatewayUnavailable):
        [refund async for refund in closed.refunds_since(datetime.now(UTC))]


async def test_a_key_that_is_not_allowed_moves_nothing_and_is_no_refusal(
    provider: Provider,
) -> None:
    charge = await provider.charge(await provider.customer())
    intent = refund_of(provider, charge)

    outcome = await provider.unauthorised().refund(intent)

    assert (outcome.state, outcome.code) == (EffectState.UNKNOWN, "not_authorised")
    assert outcome.retry_after
    assert await provider.refunds_of(charge) == []
    assert (await provider.payments.refund(intent)).state is EffectState.SUCCEEDED


async def test_a_key_that_is_not_allowed_gets_no_question_answered(provider: Provider) -> None:
    customer = await provider.customer()
    intent = refund_of(provider, await provider.charge(customer))
    stranger = provider.unauthorised()

    with pytest.raises(GatewayUnavailable):
        await stranger.look_up(intent)
    with pytest.raises(GatewayUnavailable):
        await stranger.find_charges(customer)
    with pytest.raises(GatewayUnavailable):
        [refund async for refund in stranger.refunds_since(datetime.now(UTC))]
