"""Mails of the sandbox: once per key."""

import asyncio

import pytest

from cases.effects import EffectIntent, EffectKind, EffectState, Outcome, answer_intent
from cases.errors import GatewayUnavailable
from cases.ids import notice_key
from gateways.sandbox.connection import Pool
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.world import show
from tests.conftest import SmallWorld
from workers.composition import Stores


async def test_an_answer_goes_out_once_per_case_however_often_it_is_sent(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    mail = SandboxMail(stores.sandbox)
    intent = answer_intent(
        case_id=case_id, branch="main", customer_id=customer, text="Hello 👋 ' \\ %s $1"
    )

    outcomes = await asyncio.gather(*(mail.send_answer(intent) for _ in range(8)))

    assert len({outcome.receipt for outcome in outcomes}) == 1
    assert {outcome.state for outcome in outcomes} == {EffectState.SUCCEEDED}
    [sent] = await world.mails("answer")
    assert sent["body"] == "Hello 👋 ' \\ %s $1"
    assert sent["case_id"] == case_id
    assert sent["id"] == outcomes[0].receipt


async def test_of_sends_at_once_each_meets_the_one_mail_whichever_index_it_meets_first(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    mail = SandboxMail(stores.sandbox)
    for n in range(60):
        intent = answer_intent(
            case_id=f"{case_id}_{n}", branch="main", customer_id=customer, text="Hello"
        )
        outcomes = await asyncio.gather(*(mail.send_answer(intent) for _ in range(8)))
        assert {outcome.state for outcome in outcomes} == {EffectState.SUCCEEDED}

    assert len(await world.mails("answer")) == 60


async def test_another_case_sends_another_answer(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    for name in (case_id, f"{case_id}_b"):
        await SandboxMail(stores.sandbox).send_answer(
            answer_intent(case_id=name, branch="main", customer_id=customer, text="Hello.")
        )
    assert len(await world.mails("answer")) == 2


async def test_a_notice_goes_to_the_approvers_and_to_no_customer(
    stores: Stores, case_id: str
) -> None:
    mail = SandboxMail(stores.sandbox)
    intent = notice_of(case_id)

    outcomes = [await mail.send_notice(intent) for _ in range(2)]

    assert outcomes[0] == outcomes[1] == await mail.look_up(intent)
    [notice] = [n for n in (await show(stores.sandbox))["notices"] if n["case_id"] == case_id]
    assert notice["customer_id"] is None
    assert notice["body"] == "One refund waits for you."
    assert notice["id"] == outcomes[0].receipt


async def test_a_mail_that_was_sent_is_found_by_its_key_and_no_other(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    mail = SandboxMail(stores.sandbox)
    customer = await world.customer()
    intent = answer_intent(case_id=case_id, branch="main", customer_id=customer, text="Hello.")
    assert await mail.look_up(intent) is None

    sent = await mail.send_answer(intent)

    assert await mail.look_up(intent) == sent
    assert await mail.look_up(notice_of(case_id)) is None


def notice_of(case_id: str) -> EffectIntent:
    return EffectIntent(
        key=notice_key(f"ap_{case_id}", "asked", 1),
        kind=EffectKind.NOTICE,
        case_id=case_id,
        branch="main",
        customer_id="cus_1",
        content="One refund waits for you.",
    )


async def test_a_mail_system_that_cannot_be_reached_answers_that_it_is_not_known(
    unreachable: Pool, case_id: str
) -> None:
    mail = SandboxMail(unreachable)
    intent = answer_intent(case_id=case_id, branch="main", customer_id="cus_1", text="Hello.")

    unknown = Outcome(state=EffectState.UNKNOWN, code="no_answer")
    assert await mail.send_answer(intent) == unknown
    assert await mail.send_notice(notice_of(case_id)) == unknown
    with pytest.raises(GatewayUnavailable):
        await mail.look_up(intent)
