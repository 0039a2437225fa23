"""An effect is the same one however often, and in whichever run, it is tried."""

import asyncio
import dataclasses
from contextlib import suppress

from activities.ledger import LedgeredEffects
from cases.effects import EffectIntent, EffectState, Outcome
from tests.activities.environment import environment
from tests.activities.house import REFUND, House
from tests.fakes import succeeded
from tests.stores.support import intent, opened, order
from workers.composition import Stores
from workflows.saga import see_through


async def test_a_retried_refund_carries_the_key_of_its_first_attempt() -> None:
    house = House()
    await house.perform("refund")
    await house.perform("refund", attempt=2)

    first, again = house.payments.sent
    assert again.key == first.key


async def test_a_refund_carries_the_same_key_in_every_run() -> None:
    house = House()
    for run_id in ("first run", "run after a reset"):
        env = environment()
        env.info = dataclasses.replace(env.info, workflow_run_id=run_id)
        await env.run(house.refunds.issue_refund, REFUND)

    first, again = house.payments.sent
    assert again.key == first.key


async def test_the_intent_is_on_record_before_the_outside_is_called(
    stores: Stores, case_id: str, number: str
) -> None:
    on_record: list[EffectState | None] = []

    async def perform(claimed: EffectIntent) -> Outcome:
        effect = await stores.ledger.find(claimed.key)
        on_record.append(effect.state if effect else None)
        return succeeded("re_1")

    async def look_up(_claimed: EffectIntent) -> Outcome | None:
        return None

    state = await opened(stores, case_id)
    refund = intent(state, order(number))
    await LedgeredEffects(stores.record, stores.ledger).once(refund, perform, look_up)

    assert on_record == [EffectState.SENDING]


async def test_what_was_begun_is_seen_through_though_its_case_is_cancelled() -> None:
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def compensate() -> None:
        begun.set()
        await goes_on.wait()
        done.set()

    stopping = asyncio.create_task(see_through(compensate()))
    await begun.wait()
    stopping.cancel()
    goes_on.set()
    with suppress(asyncio.CancelledError):
        await stopping

    assert done.is_set()
    assert not stopping.cancelled()
