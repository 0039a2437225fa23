"""The life of a case on real servers: each road through the story to its end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from cases.accounts import AccountSection
from cases.approvals import Verdict
from cases.billing import BillingSection
from cases.effects import RefundSection
from cases.policy import PolicySection
from cases.state import CaseStatus
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    ACCOUNT,
    BILLING,
    BOTH,
    NEITHER,
    NOT_RECOGNISED,
    decided,
    events_of,
    finish,
    of_type,
    parked,
    scheduled,
)

pytestmark = BOTH_WAYS


async def test_a_double_charge_and_a_lost_login_end_in_one_refund_one_mail_and_one_answer(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    charges = await world.twins(4999)
    async with run_worker():
        handle = await world.start(BOTH)
        assert await finish(handle) == "answered"

    assert [refund["charge_id"] for refund in await world.refunds()] == charges[1:]
    assert len(await world.mails("reset")) == 1
    [answer] = await world.mails("answer")
    assert "49.99 USD" in answer["body"]
    assert "reset your password" in answer["body"]
    state = await world.state()
    refund = state.get(RefundSection)
    assert refund is not None
    assert str(refund.amount) == "49.99 USD"
    assert state.status is CaseStatus.ANSWERED


async def test_both_agents_are_at_work_before_either_has_finished(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(BOTH)
        await finish(handle)
        events = await events_of(handle)

    agents = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in of_type(events, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    }
    asked = {name: event_id for event_id, name in agents.items()}
    completed = {
        agents[event.activity_task_completed_event_attributes.scheduled_event_id]: event.event_id
        for event in of_type(events, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    }
    pair = ("billing_agent", "account_agent")
    assert max(asked[name] for name in pair) < min(completed[name] for name in pair)


async def test_a_message_about_money_asks_the_billing_agent_only(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(BILLING)
        assert await finish(handle) == "answered"
        asked = scheduled(await events_of(handle))

    assert "billing_agent" in asked
    assert not {"account_agent", "send_reset_mail"} & set(asked)
    assert await world.mails("reset") == []
    assert len(await world.refunds()) == 1


async def test_a_message_about_the_login_asks_the_account_agent_only(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(ACCOUNT)
        assert await finish(handle) == "answered"
        asked = scheduled(await events_of(handle))

    assert "account_agent" in asked
    assert not {"billing_agent", "issue_refund"} & set(asked)
    assert len(await world.mails("reset")) == 1
    assert await world.refunds() == []


async def test_a_message_about_neither_goes_to_a_person_and_is_answered(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        handle = await world.start(NEITHER)
        assert await finish(handle) == "manual_review"
        asked = scheduled(await events_of(handle))

    assert asked == ["understanding_agent", "policy_agent", "response_agent", "send_answer"]
    [answer] = await world.mails("answer")
    assert "A colleague is looking into your request" in answer["body"]
    assert await world.refunds() == []


async def test_a_customer_without_duplicates_is_told_that_nothing_was_found(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(count=1)
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"

    [answer] = await world.mails("answer")
    assert "no issues found" in answer["body"]
    assert await world.refunds() == []


async def test_a_refund_on_record_is_answered_with_its_date_and_not_repeated(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    day = datetime.now(UTC) - timedelta(days=1)
    given: dict[str, Any] = {
        "amount_minor": 4999, "currency": "USD", "created_at": day.isoformat(),
        "status": "succeeded",
    }  # fmt: skip
    await world.twins(4999, count=1)
    await world.twins(4999, count=1, refunds=[given])
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"

    assert len(await world.refunds()) == 1
    [answer] = await world.mails("answer")
    assert f"49.99 USD is already on record, made on {day.date().isoformat()}" in answer["body"]


async def test_a_locked_account_gets_a_person_and_no_mail(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.customer(locked=True)
    async with run_worker():
        assert await finish(await world.start(ACCOUNT)) == "manual_review"

    assert await world.mails("reset") == []
    [answer] = await world.mails("answer")
    assert "locked" not in answer["body"]
    account = (await world.state()).get(AccountSection)
    assert account is not None
    assert account.locked


async def test_the_answer_to_an_unknown_customer_reveals_nothing(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        assert await finish(await world.start(BOTH)) == "manual_review"

    policy = (await world.state()).get(PolicySection)
    assert policy is not None
    assert policy.rule == "unknown_customer"
    [answer] = await world.mails("answer")
    paragraphs = answer["body"].split("\n\n")
    assert paragraphs == [
        "Hello,",
        "A colleague is looking into your request and will write to you.",
        "Kind regards,\nYour support team",
    ]
    assert await world.mails("reset") == []


async def test_another_reason_than_a_duplicate_goes_to_a_person_with_the_facts(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    async with run_worker():
        assert await finish(await world.start(NOT_RECOGNISED)) == "manual_review"

    state = await world.state()
    policy, billing = state.get(PolicySection), state.get(BillingSection)
    assert policy is not None
    assert policy.rule == "reason_needs_person"
    assert billing is not None
    assert billing.charges_seen == 2
    assert await world.refunds() == []


async def test_exactly_the_limit_needs_nobody(world: SmallWorld, run_worker: WorkerFactory) -> None:
    await world.twins(50000)
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"

    [refund] = await world.refunds()
    assert refund["amount_minor"] == 50000


async def test_one_cent_above_the_limit_waits_for_a_person(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(50001)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        assert await world.refunds() == []
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    [refund] = await world.refunds()
    assert refund["amount_minor"] == 50001


async def test_of_three_equal_charges_two_are_paid_back(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    charges = await world.twins(2500, count=3)
    async with run_worker():
        assert await finish(await world.start("You charged me three times.")) == "answered"

    assert [refund["charge_id"] for refund in await world.refunds()] == charges[1:]
    [answer] = await world.mails("answer")
    assert answer["body"].count("25.00 USD") == 2


async def test_yen_have_no_decimals(world: SmallWorld, run_worker: WorkerFactory) -> None:
    await world.twins(75000, currency="JPY")
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"

    [refund] = await world.refunds()
    assert (refund["amount_minor"], refund["currency"]) == (75000, "JPY")
    [answer] = await world.mails("answer")
    assert "75000 JPY" in answer["body"]


@pytest.mark.parametrize("currency", ["SEK"])
async def test_a_currency_without_a_limit_goes_to_a_person(
    world: SmallWorld, run_worker: WorkerFactory, currency: str
) -> None:
    await world.twins(1000, currency=currency)
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "manual_review"

    assert await world.refunds() == []
