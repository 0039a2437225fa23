"""Per effect: what is kept, added, corrected by an amount, and what cannot be undone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.correction_plan import make_plan
from cases.effects import EffectKind, EffectState
from cases.ids import answer_key, correction_key, refund_key
from cases.money import Money
from cases.promotion import Action, Known, PlanLine, PromotionRefused
from tests.cases.promotions import ACCOUNT, correction, facts, mail, refund
from tests.samples import usd

NOTHING = (EffectState.REFUSED, EffectState.REJECTED, EffectState.FAILED)
MAILS = (EffectKind.RESET_MAIL, EffectKind.RESET_REVOKED, EffectKind.ANSWER)


def only(wanted: tuple[Known, ...], done: tuple[Known, ...] = (), **changes: Any) -> PlanLine:
    [line] = make_plan(facts(wanted, done, **changes)).lines
    return line


def test_what_was_done_as_it_is_wanted_is_kept() -> None:
    line = only((refund(),), (refund(),))

    assert (line.action, line.difference, line.leaves) == (Action.KEEP, usd("0"), False)


def test_what_nobody_did_is_added_under_the_refunds_usual_key() -> None:
    line = only((refund(),))

    assert (line.action, line.done, line.difference) == (Action.ADD, None, usd("49.99"))
    assert line.key == refund().intent.key == refund_key(ACCOUNT, "ch_1", 1)
    assert line.leaves


def test_what_was_paid_too_little_is_topped_up_by_the_difference() -> None:
    line = only((refund("49.99"),), (refund("40.00"),))

    assert (line.action, line.difference) == (Action.CORRECT, usd("9.99"))
    assert line.key == correction_key(ACCOUNT, "ch_1", 1, 4999)
    assert line.leaves


def test_what_was_paid_too_much_shows_the_difference_with_its_sign_and_nothing_leaves() -> None:
    line = only((refund("40.00"),), (refund("49.99"),))

    assert (line.action, line.difference) == (Action.CORRECT, usd("-9.99"))
    assert str(line.difference) == "-9.99 USD"
    assert line.recovers
    assert not line.leaves


def test_a_refund_that_the_branch_does_not_want_is_to_come_back_by_people() -> None:
    line = only((), (refund(),))

    assert (line.action, line.wanted) == (Action.CANNOT_BE_UNDONE, None)
    assert (line.difference, line.leaves) == (usd("-49.99"), False)


@pytest.mark.parametrize("state", NOTHING)
def test_a_refund_of_the_branch_that_came_to_nothing_is_not_wanted(state: EffectState) -> None:
    assert make_plan(facts((refund(state=state),))).lines == ()


@pytest.mark.parametrize("state", [EffectState.REJECTED, EffectState.FAILED])
def test_a_refund_that_came_to_nothing_is_added_as_a_further_attempt(state: EffectState) -> None:
    line = only((refund(),), (refund(state=state),), failed={"acct/ch_1/1": 1})

    assert (line.action, line.difference, line.attempt) == (Action.ADD, usd("49.99"), 2)
    assert line.key == refund_key(ACCOUNT, "ch_1", 1, 2)


def test_what_is_pending_counts_as_paid() -> None:
    assert only((refund(),), (refund(state=EffectState.PENDING),)).action is Action.KEEP


def test_what_was_paid_on_top_counts_with_its_refund() -> None:
    paid = (refund("40.00"), correction("9.99", 4999))

    assert only((refund("49.99"),), paid).action is Action.KEEP
    assert only(paid, paid).action is Action.KEEP
    assert only((refund("60.00"),), paid).difference == usd("10.01")


def test_a_top_up_that_came_to_nothing_is_tried_again_under_another_key() -> None:
    failed = correction("9.99", 4999, EffectState.REJECTED)
    line = only((refund("49.99"),), (refund("40.00"), failed))

    assert (line.difference, line.attempt) == (usd("9.99"), 2)
    assert line.key == correction_key(ACCOUNT, "ch_1", 1, 4999, 2) != failed.intent.key


def test_the_other_twin_of_a_pair_is_the_same_refund() -> None:
    line = only((refund(charge="ch_2"),), (refund(charge="ch_9"),))

    assert (line.action, line.charge_id) == (Action.KEEP, "ch_9")


def test_a_charge_that_came_later_takes_the_place_that_the_paid_one_left_free() -> None:
    """The paid twin was the first, and is the second now: its own place would be taken."""
    wanted = (refund(slot=1, charge="ch_new"), refund(slot=2, charge="ch_2"))
    add, keep = make_plan(facts(wanted, (refund(slot=1, charge="ch_2"),))).lines

    assert (keep.action, keep.charge_id) == (Action.KEEP, "ch_2")
    assert (add.action, add.charge_id, add.duplicate_group) == (Action.ADD, "ch_new", "acct/ch_1/2")
    assert add.key == refund_key(ACCOUNT, "ch_1", 2)


def test_two_currencies_are_a_persons_business() -> None:
    euros = refund(slot=2)
    amount = Money(amount_minor=100, currency="EUR")
    other = euros.model_copy(update={"intent": euros.intent.model_copy(update={"amount": amount})})
    same = other.model_copy(update={"intent": other.intent.model_copy(
        update={"duplicate_group": "acct/ch_1/1", "charge_id": "ch_2"})})  # fmt: skip

    with pytest.raises(PromotionRefused, match="have to do with EUR and USD: a person"):
        make_plan(facts((refund(), other)))
    with pytest.raises(PromotionRefused, match="EUR and USD"):
        make_plan(facts((same,), (refund(),)))


@pytest.mark.parametrize("kind", [EffectKind.RESET_MAIL, EffectKind.ANSWER])
def test_a_mail_is_sent_where_none_was_and_else_kept(kind: EffectKind) -> None:
    added, kept = only((mail(kind),)), only((mail(kind),), (mail(kind),))
    undone = only((), (mail(kind),))

    assert (added.action, added.leaves, added.key) == (Action.ADD, True, mail(kind).intent.key)
    assert (kept.action, kept.leaves) == (Action.KEEP, False)
    assert (undone.action, undone.leaves) == (Action.CANNOT_BE_UNDONE, False)


def test_another_answer_than_the_one_that_was_sent_is_never_sent() -> None:
    line = only((mail(EffectKind.ANSWER, text="B"),), (mail(EffectKind.ANSWER, text="A"),))

    assert (line.action, line.leaves) == (Action.CANNOT_BE_UNDONE, False)


def test_an_answer_that_was_rejected_was_never_sent() -> None:
    rejected = mail(EffectKind.ANSWER, EffectState.REJECTED)
    line = only((mail(EffectKind.ANSWER),), (rejected,))

    assert (line.action, line.key) == (Action.ADD, answer_key("case_1", 2))


def test_a_mail_that_would_be_taken_back_at_once_is_not_sent() -> None:
    both = (mail(EffectKind.RESET_MAIL), mail(EffectKind.RESET_REVOKED))
    keep, revoke = make_plan(facts(both, (mail(EffectKind.RESET_MAIL),))).lines

    assert make_plan(facts(both)).lines == ()
    assert (keep.action, revoke.action) == (Action.KEEP, Action.ADD)
    assert revoke.kind is EffectKind.RESET_REVOKED


@given(
    wanted=st.dictionaries(st.integers(1, 6), st.integers(1, 9999)),
    done=st.dictionaries(st.integers(1, 6), st.integers(1, 9999)),
)
def test_what_was_paid_and_what_the_plan_pays_and_recovers_is_what_is_wanted_to_the_cent(
    wanted: dict[int, int], done: dict[int, int]
) -> None:
    def refunds(sums: dict[int, int]) -> tuple[Known, ...]:
        return tuple(refund(f"{m // 100}.{m % 100:02}", slot) for slot, m in sums.items())

    plan = make_plan(facts(refunds(wanted), refunds(done)))
    moved = [line.difference.amount_minor for line in plan.lines if line.difference]

    assert sum(done.values()) + sum(moved) == sum(wanted.values())
    assert (plan.to_pay.amount_minor if plan.to_pay else 0) == sum(m for m in moved if m > 0)
    assert (plan.to_recover.amount_minor if plan.to_recover else 0) == -sum(
        m for m in moved if m < 0
    )
    assert len({line.key for line in plan.lines}) == len(plan.lines) == len(wanted | done)
