"""The customer says more while the case is open."""

import dataclasses
from datetime import UTC, datetime

import pytest

from cases.approvals import Verdict
from cases.messages import CustomerMessage
from cases.state import Message, message_step
from starters.say import add_message
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    BOTH,
    Gate,
    SlowModel,
    decided,
    events_of,
    finish,
    parked,
    scheduled,
)
from workers.composition import Gateways
from workflows.support_case import SupportCaseWorkflow

pytestmark = BOTH_WAYS

MORE = "And I can't log in to my account."


async def _say(world: SmallWorld, text: str) -> None:
    await add_message(world.session, await world.state(), _more(text))


def _more(text: str) -> Message:
    return Message(message_id="more", text=text, received_at=datetime.now(UTC))


async def test_only_what_the_message_adds_is_looked_into_and_the_request_stays(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        asked = await parked(handle)
        await _say(world, MORE)
        await world.until_mailed("reset")
        assert await parked(handle) == asked
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    ran = scheduled(await events_of(handle))
    assert ran.count("billing_agent") == 1
    assert ran.count("understanding_agent") == 2
    assert ran.count("account_agent") == 1
    assert len(await world.refunds()) == 1
    assert len(await world.mails("reset")) == 1
    assert len(await world.mails("answer")) == 1


async def test_a_text_sent_by_a_plain_signal_is_recorded_and_answered(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await handle.signal("customer_said", {"text": MORE})
        await world.until_mailed("reset")
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert [message.text for message in (await world.state()).messages] == [BILLING, MORE]
    [answer] = await world.mails("answer")
    assert "1200.00 USD" in answer["body"]
    assert "reset your password" in answer["body"]


async def test_an_empty_message_changes_nothing(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        asked = await parked(handle)
        await handle.signal("customer_said", {"text": " \u200b "})
        await handle.signal("customer_said", {"text": ""})
        assert await parked(handle) == asked
        await decided(world, Verdict.DENIED)
        assert await finish(handle) == "rejected"

    assert len((await world.state()).messages) == 1


async def test_a_message_that_comes_while_the_answer_is_written_is_answered_too(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    writing = Gate()
    model = SlowModel(write=writing)
    async with run_worker(gateways=dataclasses.replace(gateways, model=model)):
        handle = await world.start(BILLING)
        await writing.until_reached()
        await handle.signal("customer_said", {"text": MORE})
        writing.open.set()
        assert await finish(handle) == "answered"

    [answer] = await world.mails("answer")
    assert "reset your password" in answer["body"]
    assert len(await world.refunds()) == 1


async def test_two_cases_about_one_pair_pay_once_and_both_are_answered(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    async with run_worker():
        first = await world.start(BOTH)
        second = await world.start(BILLING, f"case_{world.number}_again")
        await finish(first)
        await finish(second)

    assert len(await world.refunds()) == 1
    assert len(await world.mails("answer")) == 2


@pytest.mark.parametrize("says_version", [True, False])
async def test_a_message_that_the_hot_copy_has_missed_is_read_all_the_same(
    world: SmallWorld, run_worker: WorkerFactory, says_version: bool
) -> None:
    await world.twins(120_000)
    case_id = f"case_{world.number}"
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        # Only the record has it: Redis was away for a moment.
        step = message_step(_more(MORE))
        done = await world.session.stores.cases.commit(case_id, "main", [step], {})
        notice = CustomerMessage(message_id="more", version=done.version if says_version else 0)
        await handle.signal(SupportCaseWorkflow.customer_said, notice)
        await world.until_mailed("reset")
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"
