"""A run is terminated in the middle of its refund, and the same duplicate is asked for again."""

from collections.abc import AsyncGenerator

import pytest

from activities.reconciling.open_effects import OpenEffects, Outside
from cases.approvals import Verdict
from cases.effects import EffectState
from cases.ids import MAIN, refund_key
from runtime.runs import TemporalRuns
from starters.session import CaseHandle
from stores.reconciliation import PostgresEntries
from tests.conftest import SmallWorld
from tests.once.conftest import RunHeld
from tests.once.held import Hold, until_held
from tests.once.invariants import Tally
from tests.once.scenes import all_end, begin, tally_of, waiting_for_a_person
from tests.workflows.support import BILLING, decided, eventually
from workers.composition import Gateways

pytestmark = [pytest.mark.usefixtures("soon"), pytest.mark.timeout(300)]


class Midway:
    """A case whose refund stands still at a moment."""

    def __init__(self, world: SmallWorld, gateways: Gateways, hold: Hold) -> None:
        self.world, self._gateways, self._hold = world, gateways, hold
        self._stores = world.session.stores
        self.case_id = f"case_{world.number}"

    async def terminated(self, kind: str) -> CaseHandle:
        """The case's run, ended there."""
        handle = await begin(kind, self.world)
        await self.world.until_mailed("reset")
        await until_held(self._hold)
        await handle.terminate("an operator's mistake")
        return handle

    async def arrives_late(self) -> None:
        """What stood still goes on, for a run that is no more."""
        self._hold.let_go()

        async def settled() -> bool:
            return bool([line for line in self._hold.said if line.startswith("settled")])

        await eventually(settled)

    async def asked_again(self, kind: str, name: str) -> str:
        """Another case about the same charges; how it ended."""
        case_id = f"{self.case_id}-{name}"
        handle = await self.world.start(BILLING, case_id)
        if kind == "approved" and not await self.world.refunds():
            await waiting_for_a_person(handle)
            await decided(self.world, Verdict.APPROVED, case_id)
        await all_end([handle])
        return (await self.world.state(case_id)).status

    async def looked_up(self) -> EffectState:
        """The reconciler looks at what the ended run left open; where the refund stands."""
        outside = Outside(self._gateways.payments, self._gateways.accounts, self._gateways.mail)
        entries, stores = PostgresEntries(self._stores.pool, self._stores.keys), self._stores
        looking = OpenEffects(entries, stores.ledger, outside, TemporalRuns(), stores.tasks)
        await looking.settle_found(self.case_id, MAIN)
        refund = await stores.ledger.find(refund_key("sandbox", f"ch_{self.world.number}_1", 1))
        assert refund
        return refund.state


@pytest.fixture
async def midway(
    request: pytest.FixtureRequest, world: SmallWorld, gateways: Gateways, run_held: RunHeld
) -> AsyncGenerator[Midway]:
    hold = Hold({f"case_{world.number}": ("refund", request.param)})
    async with run_held(hold):
        yield Midway(world, gateways, hold)


KINDS = pytest.mark.parametrize("kind", ["refund", "approved"])


@KINDS
@pytest.mark.parametrize("midway", ["claimed"], indirect=True)
async def test_while_a_terminated_runs_call_may_still_arrive_no_other_case_pays(
    kind: str, midway: Midway
) -> None:
    await midway.terminated(kind)

    assert await midway.asked_again(kind, "b") == "manual_review"
    assert await midway.world.refunds() == []
    assert await midway.looked_up() is EffectState.SENDING

    await midway.arrives_late()
    assert await midway.asked_again(kind, "c") == "answered"
    assert await tally_of([midway.world], left_open=1) == Tally(refunds=1, resets=1, answers=2)


@KINDS
@pytest.mark.parametrize("midway", ["performed", "settled"], indirect=True)
async def test_what_a_terminated_run_has_paid_is_found_and_not_paid_again(
    kind: str, midway: Midway
) -> None:
    await midway.terminated(kind)

    assert await midway.asked_again(kind, "b") == "answered"
    assert await midway.looked_up() is EffectState.SUCCEEDED
    before = await tally_of([midway.world], left_open=1)
    assert before == Tally(refunds=1, resets=1, answers=1)

    await midway.arrives_late()
    assert await midway.asked_again(kind, "c") == "answered"
    assert await tally_of([midway.world], left_open=1) == Tally(refunds=1, resets=1, answers=2)
