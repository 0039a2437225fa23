"""What a branch inherits of the outside, and that no branch counts anywhere else."""

import pytest

from cases.effects import EffectIntent, EffectState, Outcome, RefundItem, RefundSection
from cases.ids import MAIN
from cases.state import CaseState
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
    settled,
    tamper,
)
from tests.stores.support import intent, opened, order, other, probe, refund_step, usd
from workers.composition import Stores

MAILED = Outcome(state=EffectState.SUCCEEDED, receipt="ml_1")
SIMULATED = Outcome(state=EffectState.SIMULATED)


async def side_by_side(stores: Stores, state: CaseState, number: str) -> EffectIntent:
    """A mail and a refund, asked for at one version: the mail is done first."""
    mail, refund = kinds(state)[0], intent(state, order(number))
    answers = {one.key: await asked(stores, one) for one in (mail, refund)}
    done = {
        key: was if was.settled else real
        for (key, was), real in zip(answers.items(), (MAILED, PAID), strict=True)
    }
    await settled(stores, mail, done[mail.key], other(1, "reset_mail"))
    await settled(stores, refund, done[refund.key], refund_step(order(number), done[refund.key]))
    return refund


async def test_a_branch_inherits_what_was_done_at_its_checkpoint_and_nothing_later(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    await side_by_side(stores, main, number)
    for at in (1, 2, 3):
        await fork(stores, case_id, at, f"b{at}")

    assert await modes(stores, case_id, "b1") == {}
    assert await modes(stores, case_id, "b2") == {"reset_mail": "adopted"}
    assert await modes(stores, case_id, "b3") == {"reset_mail": "adopted", "refund": "adopted"}
    found = await stores.branches.effects(case_id, "b3")
    assert {(one.receipt, one.version) for one in found} == {("ml_1", 0), ("re_1", 0)}
    rows = await audited(stores, await stores.cases.load(case_id, "b3"))
    assert [row.split()[0] for row in rows] == ["forked", "effect_adopted", "effect_adopted"]
    for line in ("b1", "b2", "b3"):
        assert await stores.audit.verify(case_id, line) == []


async def test_a_fork_of_a_fork_inherits_what_was_simulated_and_what_was_adopted(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    await paid(stores, main, order(f"{number}m"))
    first = await fork(stores, case_id, 2)
    await side_by_side(stores, first, number)
    for at in (3, 4, 5):
        await fork(stores, case_id, at, f"from{at}", parent="b1")

    found: dict[int, list[tuple[str, str, int]]] = {}
    for at in (3, 4, 5):
        effects = await stores.branches.effects(case_id, f"from{at}")
        found[at] = sorted((one.kind.value, one.mode.value, one.version) for one in effects)
    before, mailed = ("refund", "adopted", 0), ("reset_mail", "simulated", 0)
    assert found == {
        3: [before],
        4: [before, mailed],
        5: [before, ("refund", "simulated", 0), mailed],
    }


async def test_a_refund_whose_step_was_not_done_at_the_fork_may_be_wanted_otherwise(
    stores: Stores, case_id: str, number: str
) -> None:
    """The mail was done, and the refund, asked for at the same moment, was not yet."""
    main = await opened(stores, case_id)
    await side_by_side(stores, main, number)
    first = await fork(stores, case_id, 1)
    await side_by_side(stores, first, number)
    again = await fork(stores, case_id, 3, "b2", parent="b1")

    outcome = await asked(stores, intent(again, order(number, 4000)))

    assert outcome == Outcome(state=EffectState.SIMULATED, code="conflict")


async def test_what_is_in_the_middle_of_being_done_is_not_inherited_but_asked_for(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    wanted = intent(main, order(number))
    await stores.ledger.claim(wanted)
    branch = await fork(stores, case_id, 1)
    assert await modes(stores, case_id, "b1") == {}

    await stores.ledger.settle(wanted, PAID, refund_step(order(number), PAID), {})
    assert await asked(stores, intent(branch, order(number))) == PAID
    [effect] = await stores.branches.effects(case_id, "b1")
    assert effect.version == 2


async def test_of_what_was_settled_and_later_came_to_something_else_the_last_word_is_inherited(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    real = await paid(stores, main, order(number), Outcome(state=EffectState.PENDING))
    await go_on(stores, main, probe("later", "probe:later"))
    late = Outcome(state=EffectState.FAILED, code="account_closed")
    await stores.ledger.resolve(real.key, late, "reconciler")

    await fork(stores, case_id, 2)
    await fork(stores, case_id, 1, "b2")

    [effect] = await stores.branches.effects(case_id, "b1")
    assert (effect.state, effect.code, effect.mode) == ("failed", "account_closed", "adopted")
    assert await modes(stores, case_id, "b2") == {}


@pytest.mark.parametrize("known", [False, True])
async def test_settling_on_a_branch_commits_its_step_and_leaves_the_ledger_alone(
    known: bool, stores: Stores, case_id: str, number: str
) -> None:
    """Also where the main line is in the middle of it, and the branch gives up waiting."""
    main = await opened(stores, case_id)
    branch = await fork(stores, case_id, 1)
    if known:
        await stores.ledger.claim(intent(main, order(number)))
    before = await ledger_of(stores, main.customer_id)
    wanted, unknown = intent(branch, order(number)), Outcome(state=EffectState.UNKNOWN, code="x")

    step = refund_step(order(number), unknown)
    done = [await stores.ledger.settle(wanted, unknown, step, {}) for _ in range(2)]

    assert [(one.version, one.repeated) for one in done] == [(3, False), (3, True)]
    assert await ledger_of(stores, main.customer_id) == before
    assert await modes(stores, case_id, "b1") == {}
    item = RefundItem(charge_id=order(number).charge_id, amount=usd(4999), state="unknown")  # pyright: ignore[reportArgumentType]  it is validated
    section = (await stores.cases.load(case_id, "b1")).sections["refund"]
    assert section == RefundSection.of((item,))


async def test_no_branch_counts_towards_a_limit_or_what_came_to_nothing(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    await paid(stores, main, order(f"{number}a", 30_000))
    failed = Outcome(state=EffectState.REJECTED, code="charge_disputed")
    await paid(stores, main, order(f"{number}b", 100), failed)
    theirs = await opened(stores, f"{case_id}_theirs", main.customer_id)
    before = await stores.cases.load_dossier(theirs.case_id, MAIN)
    assert before.refunded_lately == {"USD": 30_000}
    assert len(before.came_to_nothing) == 1

    for number_of in range(3):
        branch = await fork(stores, case_id, 1, f"b{number_of}")
        for letter in "abc":
            await asked(stores, intent(branch, order(f"{number}{letter}", 20_000)))
        # A case's own refunds do not stand in the way of its branches.
        dossier = await stores.cases.load_dossier(case_id, branch.branch)
        assert (dossier.refunded_lately, dossier.came_to_nothing) == ({"USD": 0}, {})

    assert await stores.cases.load_dossier(theirs.case_id, MAIN) == before
    within = intent(theirs, order(f"{number}c", 20_000))
    assert await asked(stores, within) == Outcome(state=EffectState.SENDING)


async def test_what_others_were_refunded_counts_on_a_branch_too(
    stores: Stores, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    theirs = await opened(stores, f"{case_id}_theirs", main.customer_id)
    await paid(stores, theirs, order(number, 30_000))
    await fork(stores, case_id, 1)

    for line in (MAIN, "b1"):
        dossier = await stores.cases.load_dossier(case_id, line)
        assert dossier.refunded_lately == {"USD": 30_000}


@pytest.mark.parametrize(
    "change",
    [
        "SET amount_minor = 1",
        "SET state = 'rejected'",
        "SET receipt = 're_2'",
        "SET mode = 'simulated'",
        "SET kind = 'correction'",
        "SET parameters_hash = ''",
        "SET code = 'conflict'",
        "SET intent = '{}'",
        None,
    ],
)
async def test_an_effect_of_a_branch_that_was_changed_or_removed_is_found(
    change: str | None, stores: Stores, owner: Pool, case_id: str, number: str
) -> None:
    main = await opened(stores, case_id)
    await paid(stores, main, order(number))
    await fork(stores, case_id, 2)
    assert await stores.audit.verify(case_id, "b1") == []

    statement = f"UPDATE branch_effects {change}" if change else "DELETE FROM branch_effects"
    await tamper(owner, "branch_effects", f"{statement} WHERE case_id = $1", case_id)
    found = await stores.audit.verify(case_id, "b1")
    assert found == [f"case {case_id}, branch b1, row 2: the effect it recorded was changed"]
