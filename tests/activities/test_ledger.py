"""A second call: looked for first, and late enough for keys to be forgotten, looked for twice."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import KEYS_ARE_TRUSTED, LOOKED_TWICE
from activities.options import EFFECT
from cases.effects import Claim, EffectState, Outcome
from cases.ids import refund_key
from tests.activities.house import House
from tests.fake_ledger import SENDING

KINDS = pytest.mark.parametrize("kind", ["refund", "reset", "answer"])


def claimed_before(hours: int) -> Claim:
    at = datetime.now(UTC) - timedelta(hours=hours)
    return Claim(outcome=SENDING, earlier_attempts=1, claimed_at=at)


@KINDS
async def test_while_keys_are_trusted_what_is_not_found_is_sent_again(kind: str) -> None:
    house = House()
    house.ledger.claim_as = claimed_before(19)
    await house.perform(kind, attempt=2)

    assert house.events[-2:] == ["perform", "settle"]
    assert not any(event.startswith("missed") for event in house.events)


@KINDS
async def test_later_it_is_looked_for_twice_a_minute_apart_before_it_is_sent(kind: str) -> None:
    house = House()
    house.ledger.claim_as = claimed_before(21)
    with pytest.raises(ApplicationError) as failure:
        await house.perform(kind, attempt=2)

    assert failure.value.type == "OutcomeUnknown"
    assert not failure.value.non_retryable
    assert failure.value.next_retry_delay == LOOKED_TWICE
    assert "perform" not in house.events

    house.ledger.missed_before = True
    await house.perform(kind, attempt=3)
    assert house.events[-2:] == ["perform", "settle"]


async def test_what_the_provider_has_is_never_sent_again_however_late() -> None:
    house = House()
    house.ledger.claim_as = claimed_before(500)
    house.ledger.missed_before = True
    done = Outcome(state=EffectState.SUCCEEDED, receipt="re_7")
    house.payments.known[refund_key("sandbox", "ch_1", 1)] = done
    effect = await house.perform("refund", attempt=2)

    assert effect.outcome == done
    assert house.payments.sent == []


async def test_the_outside_says_when_it_may_be_asked_again() -> None:
    house = House()
    wait = timedelta(seconds=7)
    busy = Outcome(state=EffectState.UNKNOWN, code="rate_limited", retry_after=wait)
    house.payments.answers = [busy]
    with pytest.raises(ApplicationError) as failure:
        await house.perform("refund")

    assert failure.value.next_retry_delay == wait


def test_an_effect_is_given_up_before_its_key_is_forgotten() -> None:
    assert EFFECT.altogether <= KEYS_ARE_TRUSTED < timedelta(hours=24)
