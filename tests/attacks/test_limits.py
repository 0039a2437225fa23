"""The limits in whole cases: to the last unit, in each number of decimals, and over 30 days."""

import asyncio
from typing import Any

import pytest

from cases.effects import EffectState, Outcome
from starters.session import CaseHandle
from stores.postgres import Pool
from tests.attacks.victims import rest, stopped
from tests.conftest import SmallWorld, WorkerFactory
from tests.stores.support import intent, opened, order
from workers.composition import Stores

TWICE = "I was charged twice for the family plan."
#: What the ledger does in cents is in tests/stores/test_limit.py.
OTHER_DECIMALS = [(75_000, "JPY"), (190_000, "BHD")]
LIMITS = [(50_000, "USD"), *OTHER_DECIMALS]


async def _start(world: SmallWorld, place: int = 0) -> CaseHandle:
    return await world.start(TWICE, f"case_{world.number}-{place}")


async def _paid(world: SmallWorld) -> list[int]:
    return [refund["amount_minor"] for refund in await world.refunds()]


async def _approvals(world: SmallWorld) -> int:
    found: int = await world.session.stores.pool.fetchval(
        "SELECT count(*) FROM approvals WHERE case_id LIKE $1", f"case_{world.number}-%"
    )
    return found


@pytest.mark.parametrize(("limit", "currency"), LIMITS)
async def test_a_case_of_exactly_the_limit_is_paid_and_asks_nobody(
    world: SmallWorld, run_worker: WorkerFactory, limit: int, currency: str
) -> None:
    await world.twins(limit, currency=currency)
    async with run_worker():
        assert await rest(await _start(world)) == "answered"

    assert await _paid(world) == [limit]
    assert await _approvals(world) == 0


@pytest.mark.parametrize(("limit", "currency"), LIMITS)
async def test_a_case_of_one_unit_more_waits_for_a_person_and_pays_nothing(
    world: SmallWorld, run_worker: WorkerFactory, limit: int, currency: str
) -> None:
    await world.twins(limit + 1, currency=currency)
    async with run_worker():
        handle = await _start(world)
        assert await rest(handle) == "awaiting_approval"
        assert await _paid(world) == []
        await stopped(handle)

    assert await _paid(world) == []


async def test_refunds_of_one_case_that_only_together_pass_the_limit_wait_for_a_person(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(20_000)
    await world.twins(30_001)
    async with run_worker():
        handle = await _start(world)
        assert await rest(handle) == "awaiting_approval"
        await stopped(handle)

    assert await _paid(world) == []


@pytest.mark.parametrize("minor", [1, 4999])
async def test_a_currency_without_a_limit_is_left_to_a_person(
    world: SmallWorld, run_worker: WorkerFactory, minor: int
) -> None:
    await world.twins(minor, currency="SEK")
    async with run_worker():
        assert await rest(await _start(world)) == "manual_review"

    assert await _paid(world) == []


async def test_small_refunds_of_several_cases_wait_once_they_pass_the_limit_within_30_days(
    world: SmallWorld, run_worker: WorkerFactory, owner: Pool
) -> None:
    async with run_worker():
        for place, minor in enumerate([20_000, 20_001]):
            await world.twins(minor)
            assert await rest(await _start(world, place)) == "answered"
        await world.twins(10_000)
        split = await _start(world, 2)
        assert await rest(split) == "awaiting_approval"
        await stopped(split)
        assert await _paid(world) == [20_000, 20_001]

        await _age(owner, f"case_{world.number}-0", 29)
        still = await _start(world, 3)
        assert await rest(still) == "awaiting_approval"
        await stopped(still)
        await _age(owner, f"case_{world.number}-0", 2)
        assert await rest(await _start(world, 4)) == "answered"

    assert await _paid(world) == [20_000, 20_001, 10_000]


async def _age(owner: Pool, case_id: str, days: int) -> None:
    """As if the case's effects had been claimed so many days earlier."""
    await owner.execute(
        "UPDATE effects SET claimed_at = claimed_at - make_interval(days => $2) WHERE case_id = $1",
        case_id,
        days,
    )


@pytest.mark.parametrize(("limit", "currency"), OTHER_DECIMALS)
async def test_two_cases_that_claim_at_once_pass_no_limit_together(
    stores: Stores, case_id: str, number: str, limit: int, currency: str
) -> None:
    cases = [await opened(stores, f"{case_id}-{n}", f"cus_{number}") for n in range(2)]
    more_than_half = limit // 2 + 1

    async def claim(place: int) -> Outcome:
        one = order(f"{number}-{place}", more_than_half, currency=currency)
        bound: dict[str, Any] = {"limit_minor": limit}
        _, claimed = await stores.ledger.claim(intent(cases[place], one, **bound))
        return claimed.outcome

    outcomes = await asyncio.gather(claim(0), claim(1))

    refused = Outcome(state=EffectState.REFUSED, code="above_limit")
    assert sorted(outcome.state for outcome in outcomes) == ["refused", "sending"]
    assert refused in outcomes


@pytest.mark.parametrize(("limit", "currency"), OTHER_DECIMALS)
async def test_the_ledger_lets_the_limit_out_and_not_one_unit_more(
    stores: Stores, case_id: str, number: str, limit: int, currency: str
) -> None:
    case = await opened(stores, case_id)
    claims = [
        await stores.ledger.claim(
            intent(case, order(f"{number}-{n}", minor, currency=currency), limit_minor=limit)
        )
        for n, minor in enumerate([limit + 1, limit, 1])
    ]

    assert [claim.outcome.state for _, claim in claims] == ["refused", "sending", "refused"]
