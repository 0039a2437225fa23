"""What is found out later about an effect, and what the ledger lets out after that."""

from datetime import timedelta

import pytest

from cases.effects import (
    Compensation,
    EffectIntent,
    EffectState,
    Outcome,
    answer_intent,
    reset_intent,
    unlock_intent,
)
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from cases.tasks import TaskKind
from stores.postgres import Pool
from tests.stores.support import commit, events, intent, opened, order, refund_step, step
from workers.composition import Stores

OPEN = (EffectState.SENDING, EffectState.PENDING, EffectState.UNKNOWN)
OVER = (EffectState.SUCCEEDED, EffectState.REJECTED, EffectState.FAILED)
FOUND = Outcome(state=EffectState.SUCCEEDED, receipt="re_found")


@pytest.fixture
async def case(stores: Stores, case_id: str) -> CaseState:
    return await opened(stores, case_id)


async def settled(
    stores: Stores, case: CaseState, number: str, state: EffectState, attempt: int = 1
) -> EffectIntent:
    """A refund that stands so in the ledger."""
    one = order(number).model_copy(update={"attempt": attempt})
    refund = intent(case, one)
    await stores.ledger.claim(refund)
    if state is not EffectState.SENDING:
        outcome = Outcome(state=state)
        await stores.ledger.settle(refund, outcome, refund_step(one, outcome), {})
    return refund


@pytest.mark.parametrize("before", OPEN)
@pytest.mark.parametrize("after", OVER)
async def test_what_is_open_takes_the_outcome_that_is_found_later(
    stores: Stores, case: CaseState, number: str, before: EffectState, after: EffectState
) -> None:
    refund = await settled(stores, case, number, before)
    later = Outcome(state=after, receipt="re_1", code="looked")

    assert await stores.ledger.resolve(refund.key, later, "reconciler")
    row = await stores.ledger.find(refund.key)
    assert row
    assert (row.state, row.receipt) == (after, "re_1")
    assert row.settled_at
    trail = await stores.audit.trail(case.case_id, MAIN)
    assert (trail[0].actor, trail[0].event, trail[0].step) == (
        "reconciler",
        "effect_settled",
        refund.key,
    )
    assert await stores.audit.verify(case.case_id, MAIN) == []
    assert not await stores.ledger.resolve(refund.key, later, "reconciler")


@pytest.mark.parametrize("before", OVER)
async def test_what_is_over_stays_over_but_for_a_refund_that_fails_at_the_bank(
    stores: Stores, case: CaseState, number: str, before: EffectState
) -> None:
    refund = await settled(stores, case, number, before)

    for after in EffectState:
        changed = await stores.ledger.resolve(refund.key, Outcome(state=after), "reconciler")
        assert changed == ((before, after) == (EffectState.SUCCEEDED, EffectState.FAILED))
        if changed:
            break


async def test_an_effect_that_nobody_claimed_has_no_outcome(stores: Stores) -> None:
    assert not await stores.ledger.resolve("rf1_nobody", FOUND, "reconciler")
    assert await stores.ledger.find("rf1_nobody") is None


async def test_the_first_outcome_stands_also_where_the_case_settles_after_the_reconciler(
    stores: Stores, case: CaseState, number: str
) -> None:
    refund = await settled(stores, case, number, EffectState.SENDING)
    await stores.ledger.resolve(refund.key, FOUND, "reconciler")
    gave_up = Outcome(state=EffectState.UNKNOWN, code="gave_up")
    await stores.ledger.settle(refund, gave_up, refund_step(order(number), gave_up), {})

    row = await stores.ledger.find(refund.key)
    assert row
    assert (row.state, row.receipt) == (EffectState.SUCCEEDED, "re_found")
    assert await stores.audit.verify(case.case_id, MAIN) == []


@pytest.mark.parametrize("ended", [EffectState.REJECTED, EffectState.FAILED])
async def test_what_came_to_nothing_is_tried_again_by_a_persons_approval_only(
    stores: Stores, case: CaseState, case_id: str, number: str, ended: EffectState
) -> None:
    await settled(stores, case, number, ended)
    other = await opened(stores, f"{case_id}-2", case.customer_id)
    dossier = await stores.cases.load_dossier(other.case_id, MAIN)
    again = intent(other, order(number).model_copy(update={"attempt": 2}))
    _, claim = await stores.ledger.claim(again)

    assert dossier.came_to_nothing == {again.duplicate_group: 1}
    assert claim.outcome == Outcome(state=EffectState.REFUSED, code="failed_before")
    assert "effect_refused" in await events(stores, other.case_id)


async def test_the_money_of_a_refund_that_failed_does_not_count_towards_the_limit(
    stores: Stores, case: CaseState, case_id: str, number: str
) -> None:
    refund = await settled(stores, case, number, EffectState.SUCCEEDED)
    other = await opened(stores, f"{case_id}-2", case.customer_id)
    before = (await stores.cases.load_dossier(other.case_id, MAIN)).refunded_lately
    await stores.ledger.resolve(refund.key, Outcome(state=EffectState.FAILED), "reconciler")
    after = (await stores.cases.load_dossier(other.case_id, MAIN)).refunded_lately

    assert (before["USD"], after["USD"]) == (4999, 0)


async def test_not_found_is_noted_once_and_counts_from_then_on(
    stores: Stores, owner: Pool, case: CaseState, number: str
) -> None:
    refund = await settled(stores, case, number, EffectState.SENDING)
    minute = timedelta(seconds=60)

    assert not await stores.ledger.missed(refund, minute)
    assert not await stores.ledger.missed(refund, minute)
    await owner.execute(
        "UPDATE effects SET not_found_at = not_found_at - interval '61 s' WHERE key = $1",
        refund.key,
    )
    assert await stores.ledger.missed(refund, minute)


async def test_of_what_was_never_claimed_nothing_is_noted(
    stores: Stores, case: CaseState, number: str
) -> None:
    assert not await stores.ledger.missed(intent(case, order(number)), timedelta(0))


async def test_a_closed_case_lets_nothing_new_out(
    stores: Stores, case: CaseState, number: str
) -> None:
    await commit(stores.cases, case, step("end", status=CaseStatus.CANCELLED))
    whose = {"case_id": case.case_id, "branch": MAIN, "customer_id": case.customer_id}
    for late in (
        intent(case, order(number)),
        reset_intent(**whose),
        answer_intent(**whose, text="Hello"),
    ):
        _, claim = await stores.ledger.claim(late)
        assert claim.outcome == Outcome(state=EffectState.REFUSED, code="case_closed")


async def test_an_account_is_unlocked_only_after_a_person_said_so(
    stores: Stores, case: CaseState, number: str
) -> None:
    unlock = unlock_intent(case_id=case.case_id, branch=MAIN, customer_id=case.customer_id)
    _, before = await stores.ledger.claim(unlock)
    task = await stores.tasks.open(
        TaskKind.UNLOCK_ACCOUNT, case.case_id, "asked", case=(case.case_id, MAIN)
    )
    _, still = await stores.ledger.claim(unlock)
    token = await stores.approvers.add(f"ann-{number}", {})
    assert task
    assert token
    await stores.tasks.finish(task, token, "it is them")
    _, after = await stores.ledger.claim(unlock)

    assert before.outcome.code == still.outcome.code == "not_approved"
    assert after.outcome.state is EffectState.SENDING


async def test_the_claim_of_a_reset_mail_stores_how_it_is_taken_back(
    stores: Stores, case: CaseState
) -> None:
    reset = reset_intent(case_id=case.case_id, branch=MAIN, customer_id=case.customer_id)
    await stores.ledger.claim(reset.model_copy(update={"compensation": Compensation.REVOKE_RESET}))

    assert await stores.tasks.open_compensations(case.case_id, MAIN) == ["revoke_reset"]


@pytest.mark.parametrize("state", list(OPEN[1:]) + list(OVER))
async def test_once_money_may_have_moved_nothing_is_undone(
    stores: Stores, case: CaseState, number: str, state: EffectState
) -> None:
    reset = reset_intent(case_id=case.case_id, branch=MAIN, customer_id=case.customer_id)
    undone = reset.model_copy(update={"compensation": Compensation.REVOKE_RESET})
    await stores.ledger.claim(undone)
    await settled(stores, case, number, state)
    left = await stores.tasks.open_compensations(case.case_id, MAIN)

    assert left == ([] if state.moved else ["revoke_reset"])


async def test_after_the_pivot_no_compensation_is_stored(
    stores: Stores, case: CaseState, number: str
) -> None:
    await settled(stores, case, number, EffectState.SUCCEEDED)
    reset = reset_intent(case_id=case.case_id, branch=MAIN, customer_id=case.customer_id)
    await stores.ledger.claim(reset.model_copy(update={"compensation": Compensation.REVOKE_RESET}))

    assert await stores.tasks.open_compensations(case.case_id, MAIN) == []
