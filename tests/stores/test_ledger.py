"""The effect ledger: one charge, one refund, whoever asks and however often."""

import asyncio

import pytest

from cases.effects import EffectState, Outcome, answer_intent, reset_intent
from cases.errors import CaseNotFound, ConcurrentModification
from cases.ids import MAIN
from cases.state import CaseState
from stores.postgres import Pool
from tests.stores.support import (
    blocked_by,
    events,
    intent,
    opened,
    order,
    refund_step,
    usd,
)
from workers.composition import Stores

SUCCEEDED = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")
REJECTED = Outcome(state=EffectState.REJECTED, code="charge_disputed")
ALREADY = Outcome(state=EffectState.REFUSED, code="already_claimed")


async def _state_of(stores: Stores, key: str) -> str | None:
    found: str | None = await stores.pool.fetchval("SELECT state FROM effects WHERE key = $1", key)
    return found


@pytest.fixture
async def case(stores: Stores, case_id: str) -> CaseState:
    return await opened(stores, case_id)


async def test_a_first_claim_may_go_ahead(stores: Stores, case: CaseState, number: str) -> None:
    refund = intent(case, order(number))

    claimed, claim = await stores.ledger.claim(refund)

    assert claimed == refund
    assert (claim.outcome.state, claim.earlier_attempts) == (EffectState.SENDING, 0)
    row = (await stores.ledger.of_case(case.case_id, MAIN))[0]
    assert (row.key, row.amount, row.attempts) == (refund.key, usd(4999), 1)


async def test_a_claim_while_it_is_being_sent_says_how_often_it_was_tried(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = intent(case, order(number))

    tries = [(await stores.ledger.claim(refund))[1] for _ in range(3)]

    assert [one.earlier_attempts for one in tries] == [0, 1, 2]
    assert {one.outcome.state for one in tries} == {EffectState.SENDING}


async def test_a_claim_of_a_settled_effect_returns_its_outcome(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    await stores.ledger.settle(refund, SUCCEEDED, refund_step(order(number), SUCCEEDED), {})

    for _ in range(2):
        _, claim = await stores.ledger.claim(refund)
        assert claim.outcome == SUCCEEDED
    assert (await stores.ledger.of_case(case.case_id, MAIN))[0].attempts == 1


async def test_an_answer_is_sent_as_it_was_first_claimed(stores: Stores, case: CaseState) -> None:
    first, second = (
        answer_intent(case_id=case.case_id, branch=MAIN, customer_id=case.customer_id, text=text)
        for text in ("Dear Sam 👋", "Another wording")
    )
    await stores.ledger.claim(first)

    claimed, claim = await stores.ledger.claim(second)

    assert claimed == first
    assert (claim.outcome.state, claim.earlier_attempts) == (EffectState.SENDING, 1)


async def test_another_case_cannot_claim_the_same_refund(
    stores: Stores, case: CaseState, number: str
) -> None:
    await stores.ledger.claim(intent(case, order(number)))
    second = await opened(stores, f"{case.case_id}-b", case.customer_id)

    _, claim = await stores.ledger.claim(intent(second, order(number)))

    assert claim.outcome == ALREADY
    assert (await events(stores, second.case_id))[-1] == "effect_refused"
    assert await stores.ledger.of_case(second.case_id, MAIN) == []


async def test_another_case_cannot_refund_the_other_twin(
    stores: Stores, case: CaseState, number: str
) -> None:
    await stores.ledger.claim(intent(case, order(number)))
    second = await opened(stores, f"{case.case_id}-b", case.customer_id)
    twin = order(number).model_copy(update={"charge_id": f"ch_{number}_0"})

    other_key = intent(second, twin, key=f"rf1_other_{number}")
    for claimed in (intent(second, twin), other_key):
        _, claim = await stores.ledger.claim(claimed)
        assert claim.outcome == ALREADY


async def test_no_charge_is_refunded_under_a_second_group(
    stores: Stores, case: CaseState, number: str
) -> None:
    await stores.ledger.claim(intent(case, order(number)))
    regrouped = order(number).model_copy(update={"anchor_charge": "ch_else"})

    _, claim = await stores.ledger.claim(intent(case, regrouped))

    assert claim.outcome == ALREADY


@pytest.mark.parametrize("change", [{"amount": usd(1)}, {"charge_id": "ch_else"}])
async def test_a_claim_with_other_parameters_is_another_effect(
    stores: Stores, case: CaseState, number: str, change: dict[str, object]
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)

    _, claim = await stores.ledger.claim(refund.model_copy(update=change))

    assert claim.outcome == ALREADY


async def test_settling_a_refusal_leaves_the_claim_that_stood_in_its_way(
    stores: Stores, case: CaseState, number: str
) -> None:
    """Else the claim would count as undone, and the charge could be refunded again."""
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    changed = refund.model_copy(update={"amount": usd(1)})

    await stores.ledger.settle(changed, ALREADY, refund_step(order(number), ALREADY), {})

    assert await _state_of(stores, refund.key) == "sending"


async def test_a_branch_cannot_claim_or_settle_what_its_parent_does(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    await stores.cases.open(case.case_id, "b1", case.customer_id, case.messages[0])
    branch = refund.model_copy(update={"branch": "b1"})

    _, claim = await stores.ledger.claim(branch)
    await stores.ledger.settle(branch, REJECTED, refund_step(order(number), REJECTED), {})

    assert claim.outcome == ALREADY
    assert await _state_of(stores, refund.key) == "sending"


async def test_a_refund_is_never_claimed_for_another_customer_than_the_cases(
    stores: Stores, case: CaseState, number: str
) -> None:
    strange = intent(case, order(number), customer_id="cus_else")

    _, claim = await stores.ledger.claim(strange)

    assert claim.outcome == Outcome(state=EffectState.REFUSED, code="other_customer")


async def test_customers_that_race_for_one_charge_get_one_refund(
    stores: Stores, number: str
) -> None:
    cases = [await opened(stores, f"case_{number}-{n}") for n in range(6)]
    same = order(number)

    claims = await asyncio.gather(*(stores.ledger.claim(intent(one, same)) for one in cases))

    states = sorted(claim.outcome.state for _, claim in claims)
    assert states == [*["refused"] * 5, "sending"]
    for one, (_, claim) in zip(cases, claims, strict=True):
        refused = claim.outcome.state is EffectState.REFUSED
        wanted = "effect_refused" if refused else "effect_claimed"
        assert (await events(stores, one.case_id))[1:] == [wanted]


async def test_a_claim_that_lost_the_race_for_a_charge_is_refused_on_record(
    stores: Stores, owner: Pool, case: CaseState, number: str
) -> None:
    """The winner's row is not to be seen yet when the loser looks, only when it writes."""
    loser = await opened(stores, f"{case.case_id}-b")
    async with owner.acquire() as winner:
        async with winner.transaction():
            await winner.execute(
                "INSERT INTO effects (key, kind, case_id, branch, customer_id, amount_minor, "
                "currency, charge_id, duplicate_group, parameters_hash, intent) VALUES "
                "($1, 'refund', $2, 'main', $3, 1, 'USD', $4, $1, '', $5)",
                f"rf1_winner_{number}",
                case.case_id,
                case.customer_id,
                order(number).charge_id,
                intent(case, order(number)).model_dump_json().encode(),
            )
            claims = asyncio.create_task(stores.ledger.claim(intent(loser, order(number))))
            await blocked_by(winner)
        _, claim = await asyncio.wait_for(claims, 10)

    assert claim.outcome == ALREADY
    assert (await events(stores, loser.case_id))[-1] == "effect_refused"


async def test_after_a_rejected_refund_another_key_needs_a_person(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    await stores.ledger.settle(refund, REJECTED, refund_step(order(number), REJECTED), {})

    _, again = await stores.ledger.claim(refund)
    _, anew = await stores.ledger.claim(refund.model_copy(update={"key": f"rf1_2_{number}"}))

    assert again.outcome == REJECTED
    assert anew.outcome == Outcome(state=EffectState.REFUSED, code="failed_before")


async def test_the_outcome_and_the_step_are_stored_together_or_not_at_all(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    update = refund_step(order(number), SUCCEEDED)

    with pytest.raises(ConcurrentModification):
        await stores.ledger.settle(refund, SUCCEEDED, update, {"refund": 7})
    assert await _state_of(stores, refund.key) == "sending"
    assert "effect_settled" not in await events(stores, case.case_id)

    done = await stores.ledger.settle(refund, SUCCEEDED, update, {"refund": 0})
    assert (done.version, done.repeated) == (2, False)
    assert await _state_of(stores, refund.key) == "succeeded"
    assert "refund" in (await stores.cases.load(case.case_id, MAIN)).sections


async def test_the_first_outcome_stands(stores: Stores, case: CaseState, number: str) -> None:
    refund = intent(case, order(number))
    await stores.ledger.claim(refund)
    outcomes = [Outcome(state=EffectState.SUCCEEDED, receipt=f"re_{n}") for n in range(4)]

    done = await asyncio.gather(
        *(
            stores.ledger.settle(refund, one, refund_step(order(number), one), {})
            for one in (*outcomes, REJECTED)
        )
    )

    assert sorted(one.repeated for one in done) == [False, *[True] * 4]
    row = (await stores.ledger.of_case(case.case_id, MAIN))[0]
    _, claim = await stores.ledger.claim(refund)
    assert (claim.outcome.state, claim.outcome.receipt) == (row.state, row.receipt)
    assert (await events(stores, case.case_id)).count("effect_settled") == 1


async def test_an_effect_of_no_case_is_not_claimed(stores: Stores, case: CaseState) -> None:
    reset = reset_intent(case_id="case_no", branch=MAIN, customer_id=case.customer_id)

    with pytest.raises(CaseNotFound):
        await stores.ledger.claim(reset)
    with pytest.raises(CaseNotFound):
        await stores.ledger.settle(reset, SUCCEEDED, refund_step(order("x"), SUCCEEDED), {})
