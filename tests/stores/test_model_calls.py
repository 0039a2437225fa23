"""Calls of paid models are counted before they are made, and never above a budget."""

import asyncio
from datetime import timedelta

import pytest

from cases.errors import BudgetSpent, CaseNotFound
from cases.ids import MAIN
from cases.model_calls import CASE_BUDGET, CUSTOMER_BUDGET, Budget, CallEnd, ModelCall, Spent, Usage
from stores.model_calls import PostgresModelCalls
from stores.postgres import Pool
from tests.stores.support import opened
from workers.composition import Stores

PLENTY = Budget(calls=1000, tokens=10**6, seconds=10**4, micro_usd=10**9)
ONE = Spent(tokens=3000, milliseconds=25_000, micro_usd=40_000)


@pytest.fixture
async def calls(stores: Stores, case_id: str) -> PostgresModelCalls:
    await opened(stores, case_id)
    return PostgresModelCalls(stores.pool)


def call(case_id: str, *, step: str = "understanding:1", most: Spent = ONE) -> ModelCall:
    return ModelCall(case_id=case_id, branch=MAIN, step=step, model="openai:x", most=most)


@pytest.mark.parametrize(
    ("budget", "made", "what"),
    [
        ({"calls": 3}, 3, "calls"),
        ({"tokens": 8999}, 2, "tokens"),
        ({"tokens": 9000}, 3, "tokens"),
        ({"seconds": 74}, 2, "seconds"),
        ({"micro_usd": 119_999}, 2, "money"),
    ],
)
@pytest.mark.parametrize("whose", ["case", "customer"])
async def test_the_call_that_might_go_above_a_budget_is_not_made(
    calls: PostgresModelCalls,
    case_id: str,
    *,
    budget: dict[str, int],
    made: int,
    what: str,
    whose: str,
) -> None:
    tight = PLENTY.model_copy(update=budget)
    budgets = (tight, PLENTY) if whose == "case" else (PLENTY, tight)
    for _ in range(made):
        await calls.begin(call(case_id), *budgets)

    with pytest.raises(BudgetSpent, match=f"The {whose}'s budget of {what}"):
        await calls.begin(call(case_id), *budgets)


async def test_what_a_call_has_cost_counts_and_not_what_it_might_have(
    calls: PostgresModelCalls, case_id: str
) -> None:
    tight = PLENTY.model_copy(update={"tokens": 3500})
    number = await calls.begin(call(case_id), tight, PLENTY)
    with pytest.raises(BudgetSpent):
        await calls.begin(call(case_id), tight, PLENTY)
    await calls.end(number, CallEnd.ANSWERED, Usage(input_tokens=400, output_tokens=100))
    await calls.end(number, CallEnd.ANSWERED, Usage(input_tokens=90_000))  # a repeat

    assert await calls.begin(call(case_id), tight, PLENTY)


async def test_a_call_of_which_nobody_knows_what_it_cost_counts_as_the_most(
    calls: PostgresModelCalls, case_id: str
) -> None:
    tight = PLENTY.model_copy(update={"tokens": 5999})
    number = await calls.begin(call(case_id), tight, PLENTY)
    await calls.end(number, CallEnd.UNAVAILABLE, None)

    with pytest.raises(BudgetSpent):
        await calls.begin(call(case_id), tight, PLENTY)


async def test_many_calls_at_once_stay_within_the_budget(
    calls: PostgresModelCalls, case_id: str
) -> None:
    tries = [calls.begin(call(case_id), CASE_BUDGET, CUSTOMER_BUDGET) for _ in range(20)]
    ends = await asyncio.gather(*tries, return_exceptions=True)

    # 0.50 USD and 120 s are both spent before the eighth call.
    assert sum(isinstance(end, int) for end in ends) == 4
    assert sum(isinstance(end, BudgetSpent) for end in ends) == 16


async def test_a_customers_cases_share_a_budget_for_24_hours(
    stores: Stores, owner: Pool, calls: PostgresModelCalls, case_id: str
) -> None:
    tight = PLENTY.model_copy(update={"calls": 2})
    other = await opened(stores, f"{case_id}_b", customer_id=f"cus_{case_id}")
    await calls.begin(call(case_id), PLENTY, tight)
    await calls.begin(call(other.case_id), PLENTY, tight)
    with pytest.raises(BudgetSpent, match="customer's budget of calls"):
        await calls.begin(call(other.case_id), PLENTY, tight)

    await owner.execute(
        "UPDATE model_calls SET begun_at = begun_at - $2::interval WHERE case_id = $1",
        case_id,
        timedelta(hours=24),
    )

    assert await calls.begin(call(other.case_id), PLENTY, tight)


async def test_failures_are_calls_of_that_step_and_model_that_were_not_answered(
    calls: PostgresModelCalls, case_id: str
) -> None:
    ends = (CallEnd.UNAVAILABLE, CallEnd.ANSWERED, CallEnd.UNUSABLE, CallEnd.REFUSED, None)
    for end in ends:
        number = await calls.begin(call(case_id), PLENTY, PLENTY)
        if end:
            await calls.end(number, end, Usage())
    await calls.begin(call(case_id, step="response:1"), PLENTY, PLENTY)

    asked = (case_id, MAIN, "understanding:1")
    assert await calls.failures(*asked, "openai:x") == 2  # one unavailable, one that never ended
    assert await calls.failures(*asked, "openai:y") == 0


async def test_a_case_that_is_not_on_record_may_spend_nothing(calls: PostgresModelCalls) -> None:
    with pytest.raises(CaseNotFound):
        await calls.begin(call("nowhere"), PLENTY, PLENTY)
