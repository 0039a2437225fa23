"""Mails of the sandbox: once per key."""

import asyncio

from cases.effects import EffectState, Outcome, answer_intent, reset_intent
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
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


async def test_another_case_sends_another_answer(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    for name in (case_id, f"{case_id}_b"):
        await SandboxMail(stores.sandbox).send_answer(
            answer_intent(case_id=name, branch="main", customer_id=customer, text="Hello.")
        )
    assert len(await world.mails("answer")) == 2


async def test_a_reset_mail_goes_out_once_per_case(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    accounts = SandboxAccounts(stores.sandbox)
    intent = reset_intent(case_id=case_id, branch="main", customer_id=customer)

    first = await accounts.send_reset_mail(intent)
    again = await accounts.send_reset_mail(intent)

    assert first == again
    assert first.state is EffectState.SUCCEEDED
    assert len(await world.mails("reset")) == 1


async def test_a_locked_or_unknown_account_gets_no_reset_mail(
    stores: Stores, world: SmallWorld, case_id: str
) -> None:
    locked = await world.customer(locked=True)
    accounts = SandboxAccounts(stores.sandbox)
    refused = Outcome(state=EffectState.REJECTED, code="no_reset_for_this_account")

    for customer in (locked, "cus_nobody"):
        intent = reset_intent(case_id=case_id, branch="main", customer_id=customer)
        assert await accounts.send_reset_mail(intent) == refused
    assert await world.mails("reset") == []


async def test_a_mail_system_that_cannot_be_reached_answers_that_it_is_not_known(
    case_id: str,
) -> None:
    class Broken:
        async def execute(self, *_: object) -> None:
            raise TimeoutError

    mail = SandboxMail(Broken())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    intent = answer_intent(case_id=case_id, branch="main", customer_id="cus_1", text="Hello.")

    assert await mail.send_answer(intent) == Outcome(state=EffectState.UNKNOWN, code="no_answer")
