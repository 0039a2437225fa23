"""Accounts of the sandbox: reset mails, their links taken back, and accounts unlocked."""

import asyncio

import pytest

from cases.effects import (
    EffectState,
    Outcome,
    answer_intent,
    reset_intent,
    revoke_intent,
    unlock_intent,
)
from cases.errors import GatewayUnavailable
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.connection import Pool
from gateways.sandbox.mail import SandboxMail
from tests.conftest import SmallWorld
from workers.composition import Stores

UNKNOWN = Outcome(state=EffectState.UNKNOWN, code="no_answer")


@pytest.fixture
def accounts(stores: Stores) -> SandboxAccounts:
    return SandboxAccounts(stores.sandbox)


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


async def test_the_link_of_a_mail_is_taken_back_for_that_customer_and_case_only(
    accounts: SandboxAccounts, world: SmallWorld, case_id: str
) -> None:
    customer = await world.customer()
    for name in (case_id, f"{case_id}_b"):
        await accounts.send_reset_mail(
            reset_intent(case_id=name, branch="main", customer_id=customer)
        )
    intent = revoke_intent(case_id=case_id, branch="main", customer_id=customer)
    assert await accounts.look_up(intent) is None

    outcomes = [await accounts.revoke_reset(intent) for _ in range(2)]

    assert outcomes[0].state is EffectState.SUCCEEDED
    assert outcomes[0] == outcomes[1] == await accounts.look_up(intent)
    revoked = {mail["case_id"]: mail["revoked_at"] for mail in await world.mails("reset")}
    assert revoked[case_id] is not None
    assert revoked[f"{case_id}_b"] is None


async def test_an_account_names_the_cases_whose_links_still_work(
    accounts: SandboxAccounts, stores: Stores, world: SmallWorld, case_id: str
) -> None:
    """A link works for a day, unless it was taken back."""
    customer = await world.customer()
    names = [f"{case_id}_{end}" for end in ("old", "revoked", "new")]
    for name in names:
        await accounts.send_reset_mail(
            reset_intent(case_id=name, branch="main", customer_id=customer)
        )
    await stores.sandbox.execute(
        "UPDATE sandbox.mails SET created_at = sandbox.now() - interval '24 hours 1 second'"
        " WHERE case_id = $1",
        names[0],
    )
    await accounts.revoke_reset(
        revoke_intent(case_id=names[1], branch="main", customer_id=customer)
    )
    await SandboxMail(stores.sandbox).send_answer(
        answer_intent(case_id=f"{case_id}_a", branch="main", customer_id=customer, text="Hello")
    )

    account = await accounts.find(customer)

    assert account
    assert account.open_resets == (names[2],)


async def test_taking_back_a_mail_that_was_never_sent_is_done_and_holds_for_a_late_one(
    accounts: SandboxAccounts, world: SmallWorld, case_id: str
) -> None:
    """A worker that was frozen may send the mail after its case was cancelled."""
    customer = await world.customer()

    outcome = await accounts.revoke_reset(
        revoke_intent(case_id=case_id, branch="main", customer_id=customer)
    )
    await accounts.send_reset_mail(
        reset_intent(case_id=case_id, branch="main", customer_id=customer)
    )

    assert outcome.state is EffectState.SUCCEEDED
    [late] = await world.mails("reset")
    assert late["revoked_at"] is not None


async def test_an_account_is_unlocked_once_and_not_again_by_a_repeat(
    accounts: SandboxAccounts, world: SmallWorld, case_id: str
) -> None:
    """Who was locked again since, by others, stays so."""
    customer = await world.customer(locked=True)
    intent = unlock_intent(case_id=case_id, branch="main", customer_id=customer)
    assert await accounts.look_up(intent) is None

    outcomes = await asyncio.gather(*(accounts.unlock(intent) for _ in range(8)))

    assert {outcome.state for outcome in outcomes} == {EffectState.SUCCEEDED}
    assert {outcome.receipt for outcome in outcomes} == {outcomes[0].receipt}
    assert await accounts.look_up(intent) == outcomes[0]
    account = await accounts.find(customer)
    assert account
    assert not account.locked
    await world.customer(locked=True)
    assert await accounts.unlock(intent) == outcomes[0]
    again = await accounts.find(customer)
    assert again
    assert again.locked


async def test_an_account_that_nobody_knows_is_not_unlocked(
    accounts: SandboxAccounts, case_id: str
) -> None:
    intent = unlock_intent(case_id=case_id, branch="main", customer_id="cus_nobody")

    refused = await accounts.unlock(intent)

    assert refused == Outcome(state=EffectState.REJECTED, code="no_account")
    assert await accounts.look_up(intent) is None


async def test_a_reset_mail_is_found_by_its_key(
    accounts: SandboxAccounts, world: SmallWorld, case_id: str
) -> None:
    intent = reset_intent(case_id=case_id, branch="main", customer_id=await world.customer())
    assert await accounts.look_up(intent) is None

    sent = await accounts.send_reset_mail(intent)

    assert await accounts.look_up(intent) == sent


async def test_accounts_that_cannot_be_reached_answer_that_it_is_not_known(
    unreachable: Pool, case_id: str
) -> None:
    accounts = SandboxAccounts(unreachable)
    facts = {"case_id": case_id, "branch": "main", "customer_id": "cus_1"}

    assert await accounts.send_reset_mail(reset_intent(**facts)) == UNKNOWN
    assert await accounts.revoke_reset(revoke_intent(**facts)) == UNKNOWN
    assert await accounts.unlock(unlock_intent(**facts)) == UNKNOWN
    with pytest.raises(GatewayUnavailable):
        await accounts.find("cus_1")
    for intent in (reset_intent(**facts), unlock_intent(**facts)):
        with pytest.raises(GatewayUnavailable):
            await accounts.look_up(intent)
