"""What a branch wants done outside: answered from the record, and never let out."""

import asyncio
from typing import Any

import pytest

from cases.billing import RefundOrder
from cases.branches import BranchEffect, EffectMode
from cases.effects import (
    EffectState,
    Outcome,
)
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from stores.postgres import Pool
from tests.stores.forks import (
    PAID,
    asked,
    audited,
    fork,
    go_on,
    kinds,
    ledger_of,
    modes,
    paid,
    tamper,
)
from tests.stores.support import intent, opened, order, probe, usd
from workers.composition import Stores

REJECTED = Outcome(state=EffectState.REJECTED, code="charge_disputed")
SIMULATED = Outcome(state=EffectState.SIMULATED)
CONFLICT = Outcome(state=EffectState.SIMULATED, code="conflict")
IN_FLIGHT = Outcome(state=EffectState.SENDING, code="in_flight")


@pytest.fixture
async def main(stores: Stores, case_id: str) -> CaseState:
    return await opened(stores, case_id)


@pytest.fixture
async def branch(stores: Stores, main: CaseState) -> CaseState:
    return await fork(stores, main.case_id, 1)


def changed(one: RefundOrder, changes: dict[str, Any]) -> RefundOrder:
    """Another order; charges are named by what the first one does to them."""
    named = {"the one that stays": one.anchor_charge, "the one that was paid back": one.charge_id}
    found = {key: named.get(str(value), value) for key, value in changes.items()}
    return one.model_copy(update=found)


async def test_what_the_main_line_did_is_adopted_with_its_receipt_and_only_once(
    stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    real = await paid(stores, main, order(number))
    before = await ledger_of(stores, main.customer_id)

    for _ in range(2):
        assert await asked(stores, intent(branch, order(number))) == PAID
    [effect] = await stores.branches.effects(branch.case_id, "b1")
    assert effect == BranchEffect(
        key=real.key,
        kind=real.kind,
        mode=EffectMode.ADOPTED,
        version=2,
        amount=usd(4999),
        charge_id=order(number).charge_id,
        state=EffectState.SUCCEEDED,
        receipt="re_1",
        code=None,
        intent=real.model_copy(update={"branch": "b1"}),
        at=effect.at,
    )
    assert (await audited(stores, branch))[1:] == [f"effect_adopted {real.key}"]
    assert await ledger_of(stores, main.customer_id) == before


@pytest.mark.parametrize(
    "outcome",
    [PAID, REJECTED]
    + [Outcome(state=s, code="c") for s in (EffectState.PENDING, EffectState.UNKNOWN)],
    ids=lambda outcome: outcome.state.value,
)
async def test_while_the_main_line_is_in_the_middle_of_it_nothing_is_said_and_then_what_came_of_it(
    outcome: Outcome, stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    wanted = intent(main, order(number))
    await stores.ledger.claim(wanted)
    rows = await audited(stores, branch)
    other_sum = intent(branch, order(number, 4000))
    for one in (intent(branch, order(number)), other_sum):
        assert await asked(stores, one) == IN_FLIGHT
    assert (await audited(stores, branch), await modes(stores, main.case_id, "b1")) == (rows, {})

    await stores.ledger.settle_alone(wanted, outcome)
    assert await asked(stores, intent(branch, order(number))) == outcome
    assert await modes(stores, main.case_id, "b1") == {"refund": "adopted"}


async def test_what_the_bank_sent_back_later_is_adopted_as_that(
    stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    real = await paid(stores, main, order(number))
    late = Outcome(state=EffectState.FAILED, receipt="re_1", code="account_closed")
    assert await stores.ledger.resolve(real.key, late, "reconciler")

    assert await asked(stores, intent(branch, order(number))) == late
    # It is over: another charge of the group may be wanted now.
    again = order(number).model_copy(update={"attempt": 2})
    assert await asked(stores, intent(branch, again)) == SIMULATED


@pytest.mark.parametrize(
    "otherwise",
    [
        {"amount": usd(4000)},
        {"attempt": 2},
        {"charge_id": "its twin"},
        {"slot": 2},
        {"anchor_charge": "another"},
        {"charge_id": "the one that stays", "anchor_charge": "the one that was paid back"},
    ],
    ids=str,
)
async def test_what_the_main_line_did_otherwise_is_simulated_as_a_conflict(
    otherwise: dict[str, Any], stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    """The same charge or group: both together would be one refund too many."""
    await paid(stores, main, order(number))

    wanted = intent(branch, changed(order(number), otherwise))
    for _ in range(2):
        assert await asked(stores, wanted) == CONFLICT
    [effect] = await stores.branches.effects(branch.case_id, "b1")
    assert (effect.mode, effect.receipt, effect.intent) == (EffectMode.CONFLICT, None, wanted)


async def test_what_came_to_nothing_is_no_conflict(
    stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    await paid(stores, main, order(number), REJECTED)

    assert await asked(stores, intent(branch, order(number, 4000))) == SIMULATED
    assert await modes(stores, main.case_id, "b1") == {"refund": "simulated"}


async def test_what_nobody_has_done_is_simulated_whatever_it_is(
    stores: Stores, branch: CaseState, number: str
) -> None:
    wanted = [intent(branch, order(number), limit_minor=None), *kinds(branch)]

    for one in (*wanted, *wanted):
        assert await asked(stores, one) == SIMULATED

    found = await stores.branches.effects(branch.case_id, "b1")
    assert [(one.key, one.mode) for one in found] == [(one.key, "simulated") for one in wanted]
    assert await ledger_of(stores, branch.customer_id) == []


async def test_an_answer_of_other_words_is_a_conflict_and_the_same_words_are_adopted(
    stores: Stores, main: CaseState, branch: CaseState
) -> None:
    answer, other = kinds(main)[-1], kinds(main, "Hi!")[-1]
    await stores.ledger.claim(answer)
    await stores.ledger.settle_alone(answer, PAID)
    second = await fork(stores, main.case_id, 1, "b2")

    assert await asked(stores, answer.model_copy(update={"branch": "b1"})) == PAID
    assert await asked(stores, other.model_copy(update={"branch": "b2"})) == CONFLICT
    assert branch.version == second.version


@pytest.mark.parametrize("by", ["key", "group", "charge", "the charge that stays"])
async def test_what_another_case_did_is_refused_with_a_row_about_it(
    by: str, stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    theirs = await opened(stores, f"{main.case_id}_theirs", main.customer_id)
    one = order(number)
    await paid(stores, theirs, one)
    changes: dict[str, dict[str, Any]] = {
        "group": {"attempt": 2},
        "charge": {"anchor_charge": "another"},
        "the charge that stays": {"charge_id": f"ch_{number}_0", "anchor_charge": one.charge_id},
    }

    wanted = intent(branch, one.model_copy(update=changes.get(by, {})))
    for place in (wanted, wanted.model_copy(update={"branch": MAIN})):
        outcome = await asked(stores, place)
        assert (outcome.state, outcome.code) == (EffectState.REFUSED, "already_claimed")
    assert (await audited(stores, branch))[1:] == [f"effect_refused {wanted.key}"]
    assert await modes(stores, main.case_id, "b1") == {}


async def test_another_customers_refund_is_refused(
    stores: Stores, branch: CaseState, number: str
) -> None:
    outcome = await asked(stores, intent(branch, order(number), customer_id="cus_else"))

    assert outcome == Outcome(state=EffectState.REFUSED, code="other_customer")


async def test_a_branch_that_has_ended_asks_for_nothing_more_but_is_told_again_what_it_asked(
    stores: Stores, branch: CaseState, number: str
) -> None:
    refund, more = intent(branch, order(number)), intent(branch, order(f"{number}x"))
    assert await asked(stores, refund) == SIMULATED
    ending = probe("end", "probe:end").model_copy(update={"status": CaseStatus.ANSWERED})
    await go_on(stores, branch, ending)

    assert await asked(stores, refund) == SIMULATED
    reset, revoke, _, answer = kinds(branch)
    for late in (more, reset, answer):
        closed = Outcome(state=EffectState.REFUSED, code="case_closed")
        assert await asked(stores, late) == closed
    assert await asked(stores, revoke) == SIMULATED  # what is undone, is undone afterwards too


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": usd(4000)},
        {"attempt": 2},
        {"slot": 2},
        {"charge_id": "its twin"},
        {"charge_id": "the one that stays", "anchor_charge": "the one that was paid back"},
    ],
    ids=str,
)
async def test_a_branch_pays_no_duplicate_back_twice(
    changes: dict[str, Any], stores: Stores, branch: CaseState, number: str
) -> None:
    one = order(number)
    assert await asked(stores, intent(branch, one)) == SIMULATED

    outcome = await asked(stores, intent(branch, changed(one, changes)))

    assert outcome == Outcome(state=EffectState.REFUSED, code="already_claimed")
    assert len(await stores.branches.effects(branch.case_id, "b1")) == 1


async def test_two_branches_and_the_main_line_do_not_meet(
    stores: Stores, main: CaseState, branch: CaseState, number: str
) -> None:
    second = await fork(stores, main.case_id, 1, "b2")
    for line in (branch, second):
        assert await asked(stores, intent(line, order(number))) == SIMULATED

    assert await asked(stores, intent(main, order(number))) == Outcome(state=EffectState.SENDING)
    assert await asked(stores, intent(branch, order(number))) == SIMULATED


async def test_of_claims_at_the_same_moment_only_the_main_lines_is_let_out(
    stores: Stores, main: CaseState, number: str
) -> None:
    lines = [main, *[await fork(stores, main.case_id, 1, f"b{n}") for n in range(6)]]

    found = await asyncio.gather(*(asked(stores, intent(one, order(number))) for one in lines))

    assert found[0] == Outcome(state=EffectState.SENDING)
    assert all(one in (SIMULATED, IN_FLIGHT) for one in found[1:])
    assert len(await ledger_of(stores, main.customer_id)) == 1


async def test_a_branchs_effect_that_is_not_recorded_is_found(
    stores: Stores, owner: Pool, branch: CaseState, number: str
) -> None:
    await asked(stores, intent(branch, order(number)))
    assert await stores.audit.verify(branch.case_id, "b1") == []

    columns = "case_id, branch, kind, mode, version, customer_id, parameters_hash, intent, state"
    await tamper(
        owner,
        "branch_effects",
        f"INSERT INTO branch_effects (key, {columns}) "  # noqa: S608  of the line above
        f"SELECT 'forged', {columns} FROM branch_effects WHERE case_id = $1",
        branch.case_id,
    )
    found = await stores.audit.verify(branch.case_id, "b1")
    assert found == [
        f"case {branch.case_id}, branch b1: 2 branch effects, but only 1 on record",
    ]
