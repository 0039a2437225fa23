"""Something fails for good, or nobody knows whether it did: the case still ends, and right."""

import dataclasses
from collections.abc import Sequence

from cases.answers import AnswerFacts, template
from cases.billing import BillingSection, Charge
from cases.effects import EffectIntent, EffectState, Outcome, RefundSection
from cases.errors import InvalidInput
from cases.model_ports import OpeningReply, UnderstandingReply
from gateways.offline.model import OfflineModel
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.payments import SandboxPayments
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import ACCOUNT, BILLING, BOTH, audit_of, events_of, finish, scheduled
from workers.composition import Gateways, Stores

pytestmark = BOTH_WAYS


class NoCharges(SandboxPayments):
    """Cannot find charges, and never will."""

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:  # noqa: ARG002
        raise InvalidInput("customer_id", "the provider refuses it")


class NoAccounts(SandboxAccounts):
    """Cannot find accounts for the account agent; the billing agent's look-ups work."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.sandbox)

    async def find(self, customer_id: str) -> None:  # noqa: ARG002
        raise InvalidInput("customer_id", "the account system refuses it")


class LostAnswer(SandboxPayments):
    """Pays, and loses the answer on the way back, so often."""

    def __init__(self, stores: Stores, losses: int) -> None:
        super().__init__(stores.sandbox)
        self.losses = losses
        self.asked = 0
        self.looked_up = 0

    async def refund(self, intent: EffectIntent) -> Outcome:
        self.asked += 1
        outcome = await super().refund(intent)
        if self.asked <= self.losses:
            return Outcome(state=EffectState.UNKNOWN, code="timeout")
        return outcome

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        self.looked_up += 1
        return await super().look_up(intent)


class BrokenModel(OfflineModel):
    """Fails for good at what it is told to fail at."""

    def __init__(self, *, understand: bool = False, write: bool = False) -> None:
        super().__init__()
        self._fails_at = (understand, write)

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        if self._fails_at[0]:
            raise InvalidInput("model", "refused the request")
        return await super().understand(messages)

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        if self._fails_at[1]:
            raise InvalidInput("model", "refused the request")
        return await super().pick_opening(messages, facts)


async def test_when_the_billing_agent_fails_the_accounts_finding_is_kept_and_a_person_takes_over(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    broken = dataclasses.replace(gateways, payments=NoCharges(stores.sandbox))
    async with run_worker(gateways=broken):
        handle = await world.start(BOTH)
        assert await finish(handle) == "manual_review"

    billing = (await world.state()).get(BillingSection)
    assert billing is not None
    assert billing.failed
    assert await world.refunds() == []
    assert len(await world.mails("reset")) == 1
    [answer] = await world.mails("answer")
    assert "reset your password" in answer["body"]
    assert "A colleague is looking into your request" in answer["body"]


async def test_when_the_account_system_fails_a_person_takes_over(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.customer()
    broken = dataclasses.replace(gateways, accounts=NoAccounts(stores))
    async with run_worker(gateways=broken):
        handle = await world.start(ACCOUNT)
        assert await finish(handle) == "manual_review"

    assert await world.mails("reset") == []
    assert len(await world.mails("answer")) == 1


async def test_a_request_that_no_model_could_read_goes_to_a_person(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    broken = dataclasses.replace(gateways, model=BrokenModel(understand=True))
    async with run_worker(gateways=broken):
        handle = await world.start(BOTH)
        assert await finish(handle) == "manual_review"

    assert await world.refunds() == []
    assert len(await world.mails("answer")) == 1


async def test_without_a_model_to_write_the_fixed_text_goes_out(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    broken = dataclasses.replace(gateways, model=BrokenModel(write=True))
    async with run_worker(gateways=broken):
        handle = await world.start(BILLING)
        assert await finish(handle) == "answered"

    [answer] = await world.mails("answer")
    assert "refunded 49.99 USD" in answer["body"]


async def test_a_refund_whose_answer_was_lost_is_looked_up_and_not_sent_again(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    payments = LostAnswer(stores, losses=1)
    async with run_worker(gateways=dataclasses.replace(gateways, payments=payments)):
        handle = await world.start(BILLING)
        assert await finish(handle) == "answered"

    assert (payments.asked, payments.looked_up) == (1, 1)
    assert len(await world.refunds()) == 1
    assert len(await audit_of(world, "effect_claimed")) == 2  # the refund's and the answer's


async def test_a_refund_that_the_provider_rejects_goes_to_a_person_and_is_not_promised(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    charges = await world.twins()

    class Disputed(SandboxPayments):
        async def refund(self, intent: EffectIntent) -> Outcome:  # noqa: ARG002
            return Outcome(state=EffectState.REJECTED, code="charge_disputed")

    async with run_worker(
        gateways=dataclasses.replace(gateways, payments=Disputed(stores.sandbox))
    ):
        handle = await world.start(BILLING)
        assert await finish(handle) == "manual_review"

    refund = (await world.state()).get(RefundSection)
    assert refund is not None
    assert [(i.charge_id, i.state, i.code) for i in refund.items] == [
        (charges[1], EffectState.REJECTED, "charge_disputed")
    ]
    [answer] = await world.mails("answer")
    assert "49.99" not in answer["body"]


async def test_a_failed_agent_costs_one_marker_and_no_retry_where_a_retry_cannot_help(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins()
    broken = dataclasses.replace(gateways, payments=NoCharges(stores.sandbox))
    async with run_worker(gateways=broken):
        handle = await world.start(BILLING)
        await finish(handle)

    ran = scheduled(await events_of(handle))
    assert ran.count("billing_agent") == 1
    assert (await world.state()).retries == {"billing:1": 1}
    assert template(AnswerFacts(closes_as=(await world.state()).status)).startswith("Hello")
