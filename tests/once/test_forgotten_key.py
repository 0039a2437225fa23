"""A provider that forgets its keys: an effect is looked for before it is asked for again."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import LedgeredEffects
from activities.refunds import RefundActivities, RefundTask
from activities.steps import CaseRef
from cases.billing import RefundOrder
from cases.effects import EffectIntent, EffectState, Outcome
from cases.money import Money
from gateways.sandbox import clock
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from stores.postgres import Pool
from tests.activities.environment import environment
from tests.conftest import SmallWorld, WorkerFactory
from tests.once.invariants import Tally
from tests.once.scenes import all_end, tally_of
from tests.stores.support import opened
from tests.workflows.support import BOTH
from workers.composition import Gateways, Stores, shipped_policy

pytestmark = pytest.mark.usefixtures("soon")

NEXT_DAY = timedelta(hours=25)
UNKNOWN = Outcome(state=EffectState.UNKNOWN, code="no_answer")


@pytest.fixture
async def sandbox(stores: Stores) -> AsyncGenerator[Pool]:
    """The sandbox, whose clock is put right again."""
    yield stores.sandbox
    await stores.sandbox.execute("UPDATE sandbox.clock SET ahead = '0'")


class Counted(SandboxPayments):
    """The sandbox's payments, which count how often they are asked to pay."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, deadline_s=2)
        self.asked = 0

    async def refund(self, intent: EffectIntent) -> Outcome:
        self.asked += 1
        return await super().refund(intent)


class OneRefund:
    """The refund of a case on record, attempt by attempt, with real stores and no workflow."""

    def __init__(self, world: SmallWorld, owner: Pool) -> None:
        self._world, self._owner = world, owner
        stores = world.session.stores
        self.payments = Counted(stores.sandbox)
        effects = LedgeredEffects(stores.record, stores.ledger)
        self._activities = RefundActivities(effects, self.payments, stores.tasks, shipped_policy())
        case_id = f"case_{world.number}"
        self._task = RefundTask(
            ref=CaseRef(case_id=case_id, customer_id=world.customer_id),
            order=RefundOrder(
                charge_id=f"ch_{world.number}_2",
                amount=Money(amount_minor=4999, currency="USD"),
                anchor_charge=f"ch_{world.number}_1",
                slot=1,
            ),
        )
        self.case_id = case_id

    async def attempt(self) -> EffectState:
        done = await environment().run(self._activities.issue_refund, self._task)
        return done.outcome.state

    async def fails(self) -> timedelta | None:
        """An attempt whose outcome is unknown; when the next one is due."""
        with pytest.raises(ApplicationError) as failure:
            await self.attempt()
        assert failure.value.type == "OutcomeUnknown"
        assert not failure.value.non_retryable
        return failure.value.next_retry_delay

    async def age(self, column: str, by: timedelta) -> None:
        """As if that had been noted so much earlier."""
        await self._owner.execute(
            f"UPDATE effects SET {column} = {column} - $2::interval WHERE case_id = $1",  # noqa: S608
            self.case_id,
            by,
        )


@pytest.fixture
async def refund(world: SmallWorld, owner: Pool, stores: Stores) -> OneRefund:
    await opened(stores, f"case_{world.number}", world.customer_id)
    return OneRefund(world, owner)


async def _paid_once(world: SmallWorld) -> None:
    assert await tally_of([world], left_open=1) == Tally(refunds=1, resets=0, answers=0)


async def test_what_was_paid_before_its_key_was_forgotten_is_found_and_not_asked_for_again(
    refund: OneRefund, world: SmallWorld, sandbox: Pool
) -> None:
    await world.twins(script=["drop"])
    await refund.fails()
    await clock.advance(sandbox, NEXT_DAY)

    assert await refund.attempt() is EffectState.SUCCEEDED
    assert refund.payments.asked == 1
    await _paid_once(world)


async def test_an_error_that_the_provider_repeats_to_the_key_is_got_over_once_it_forgets(
    refund: OneRefund, world: SmallWorld, sandbox: Pool
) -> None:
    await world.twins(script=["500"])
    for _ in range(3):
        await refund.fails()
    assert await world.refunds() == []
    await clock.advance(sandbox, NEXT_DAY)

    assert await refund.attempt() is EffectState.SUCCEEDED
    await _paid_once(world)


async def test_twenty_hours_later_it_is_looked_for_twice_before_it_is_asked_for_again(
    refund: OneRefund, world: SmallWorld, sandbox: Pool
) -> None:
    await world.twins(script=["hang_before"])
    await refund.fails()
    await refund.age("claimed_at", timedelta(hours=21))
    await clock.advance(sandbox, NEXT_DAY)

    minute = timedelta(seconds=60)
    for ago in (timedelta(0), timedelta(seconds=50)):
        await refund.age("not_found_at", ago)
        assert await refund.fails() == minute
    assert refund.payments.asked == 1

    await refund.age("not_found_at", minute)
    assert await refund.attempt() is EffectState.SUCCEEDED
    assert refund.payments.asked == 2
    await _paid_once(world)


async def test_what_comes_to_light_at_the_second_look_is_not_asked_for_again(
    refund: OneRefund, world: SmallWorld, sandbox: Pool
) -> None:
    """The provider pays late: it had nothing when it was looked for the first time."""
    await world.twins(script=["503"])
    await refund.fails()
    await refund.age("claimed_at", timedelta(hours=21))
    await refund.fails()
    [entry] = await world.session.stores.ledger.of_case(refund.case_id, "main")
    intent = await _claimed(world.session.stores, entry.key)
    await SandboxPayments(sandbox).refund(intent)
    await refund.age("not_found_at", timedelta(minutes=2))

    assert await refund.attempt() is EffectState.SUCCEEDED
    assert refund.payments.asked == 1
    await _paid_once(world)


async def _claimed(stores: Stores, key: str) -> EffectIntent:
    rows = await stores.pool.fetch("SELECT intent FROM effects WHERE key = $1", key)
    [clear] = await stores.keys.opened(rows)
    return EffectIntent.model_validate_json(clear["intent"])


class Forgetful(Counted):
    """Every call is the first that it hears of its key; the first answer is lost."""

    async def refund(self, intent: EffectIntent) -> Outcome:
        outcome = await super().refund(intent)
        await clock.advance(self._pool, NEXT_DAY)
        return outcome if self.asked > 1 else UNKNOWN


class Careless(SandboxMail):
    """Mails that are sent as often as they are asked for; no answer arrives."""

    sent = 0

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        self.sent += 1
        await super().send_answer(intent)
        return UNKNOWN


class CarelessAccounts(SandboxAccounts):
    sent = 0

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
        self.sent += 1
        await super().send_reset_mail(intent)
        return UNKNOWN


async def test_a_case_whose_every_answer_is_lost_by_a_forgetful_outside_asks_for_each_effect_once(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory, sandbox: Pool
) -> None:
    await world.twins()
    payments, accounts, mail = Forgetful(sandbox), CarelessAccounts(sandbox), Careless(sandbox)
    outside = replace(gateways, payments=payments, accounts=accounts, mail=mail)
    async with run_worker(gateways=outside):
        await all_end([await world.start(BOTH)])

    assert (payments.asked, accounts.sent, mail.sent) == (1, 1, 1)
    assert await tally_of([world]) == Tally(refunds=1, resets=1, answers=1)
