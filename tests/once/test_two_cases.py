"""Cases that want the same money at the same time."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cases.billing import Charge, RefundOrder
from gateways.sandbox.payments import SandboxPayments
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.once.conftest import Named, RunHeld
from tests.once.held import Hold, until_held
from tests.once.invariants import Tally
from tests.once.scenes import all_end, tally_of
from tests.stores.support import intent, opened, usd
from tests.workflows.support import BILLING, eventually
from workers.composition import Gateways, Stores

pytestmark = pytest.mark.timeout(300)


async def test_of_two_cases_about_each_pair_at_once_one_pays(
    named: Named, run_worker: WorkerFactory
) -> None:
    worlds = [named(f"pair{place}") for place in range(10)]
    for world in worlds:
        await world.twins()
    async with run_worker():
        begun = [
            world.start(BILLING, f"case_{world.number}-{which}")
            for which in "ab"
            for world in worlds
        ]
        await all_end(await asyncio.gather(*begun))

    assert await tally_of(worlds) == Tally(refunds=10, resets=0, answers=20)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND datname = current_database()"""


@pytest.mark.parametrize("anchors", [("first", "first"), ("b", "a")], ids=["one", "each other"])
async def test_of_claims_of_both_twins_that_see_nothing_of_each_other_one_is_let_out(
    anchors: tuple[str, str], stores: Stores, owner: Pool, number: str
) -> None:
    """Four pairs. All claims have looked, or wait for one that has, before any may write."""

    async def claim(pair: int, twin: int) -> str:
        name = f"{number}-{pair}"
        case = await opened(stores, f"case_{name}-{twin}", f"cus_{name}")
        chosen = RefundOrder(
            charge_id=f"ch_{name}_{'ab'[twin]}",
            amount=usd(4999),
            anchor_charge=f"ch_{name}_{anchors[twin]}",
            slot=1,
        )
        _, claimed = await stores.ledger.claim(intent(case, chosen))
        return claimed.outcome.state

    async def all_wait() -> bool:
        return bool(await owner.fetchval(_WAITING) == 8)

    async with owner.acquire() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE effects IN SHARE MODE")
            claims = [asyncio.create_task(claim(n // 2, n % 2)) for n in range(8)]
            await eventually(all_wait, within=8)
        states = await asyncio.gather(*claims)

    pairs = [sorted(states[at : at + 2]) for at in range(0, 8, 2)]
    assert pairs == [["refused", "sending"]] * 4


class PartlyHidden(SandboxPayments):
    """A provider whose list, read by the customer's cases one after another, lacks a charge."""

    def __init__(self, pool: Pool, hidden: Sequence[str]) -> None:
        super().__init__(pool)
        self._hidden = list(hidden)
        self._all_have_looked = asyncio.Barrier(len(hidden))

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        hidden = self._hidden.pop()
        charges = await super().find_charges(customer_id)
        await self._all_have_looked.wait()
        return [charge for charge in charges if charge.charge_id != hidden]


@pytest.mark.parametrize(
    ("hidden", "paid"),
    [((1, 2), {1}), ((0, 1), {1}), ((0, 2), {1, 2}), ((0, 1, 2), {1, 2})],
    ids=["another twin each", "another anchor each", "one's anchor is the other's twin", "all"],
)
async def test_cases_that_each_see_other_twins_leave_one_charge_paid(
    hidden: tuple[int, ...],
    paid: set[int],
    world: SmallWorld,
    gateways: Gateways,
    run_worker: WorkerFactory,
) -> None:
    charges = await world.twins(count=3)
    view = PartlyHidden(world.session.stores.sandbox, [charges[place] for place in hidden])
    async with run_worker(gateways=replace(gateways, payments=view)):
        begun = [world.start(BILLING, f"case_{world.number}-{h}") for h in range(len(hidden))]
        await all_end(await asyncio.gather(*begun))

    left = await tally_of([world])
    assert left.refunds in paid
    assert left.answers == len(hidden)


class Reversed(SandboxPayments):
    """A provider that cannot say which of two charges came first: each look has another answer."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._looks = itertools.count()
        self._both_have_looked = asyncio.Barrier(2)

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        one, other = await super().find_charges(customer_id)
        first, second = one.created_at, other.created_at
        if next(self._looks):
            first, second = second, first
        await self._both_have_looked.wait()
        return [
            one.model_copy(update={"created_at": first}),
            other.model_copy(update={"created_at": second}),
        ]


async def test_two_cases_that_each_take_the_other_twin_for_the_first_pay_one_back(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory, stores: Stores
) -> None:
    """Else both twins were paid back, and the customer had what they bought for nothing."""
    await world.twins()
    async with run_worker(gateways=replace(gateways, payments=Reversed(stores.sandbox))):
        begun = [world.start(BILLING, f"case_{world.number}-{which}") for which in "ab"]
        await all_end(await asyncio.gather(*begun))

    assert await tally_of([world]) == Tally(refunds=1, resets=0, answers=2)


_BETWEEN = """
INSERT INTO sandbox.charges
SELECT id || '_late', customer_id, amount_minor, currency, merchant, description,
       created_at + interval '30 seconds', status FROM sandbox.charges WHERE id = $1"""


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("moment", ["claimed", "performed"])
async def test_a_third_twin_that_comes_between_while_the_second_is_paid_back_is_a_persons_matter(
    moment: str, world: SmallWorld, stores: Stores, run_held: RunHeld
) -> None:
    """It takes the place in the group under which the second twin is paid back."""
    charges = await world.twins()
    hold = Hold({f"case_{world.number}": ("refund", moment)})
    async with run_held(hold):
        first = await world.start(BILLING)
        await until_held(hold)
        await stores.sandbox.execute(_BETWEEN, charges[0])
        others = [await world.start(BILLING, f"case_{world.number}-{n}") for n in range(2)]
        await all_end(others)
        hold.let_go()
        await all_end([first])
        late = await world.start(BILLING, f"case_{world.number}-late")
        await all_end([late])

    assert await tally_of([world]) == Tally(refunds=1, resets=0, answers=4)
    assert (await world.state()).status == "answered"
    assert (await world.state(late.id)).status == "manual_review"
