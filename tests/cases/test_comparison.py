"""The comparison of two sides: alike they have no difference, and each error is exactly its own."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.comparison import (
    IN_FLIGHT,
    Comparison,
    Difference,
    DifferenceKind,
    LedgerEntry,
    Remedy,
    differing_state,
    sentence,
)
from cases.effects import EffectIntent, EffectKind, EffectState, ProviderRefund
from cases.money import Money
from tests.samples import NOON

STANDING = (EffectState.SUCCEEDED, EffectState.PENDING)


def entry(
    number: int, state: EffectState = EffectState.SUCCEEDED, minor: int = 4999
) -> LedgerEntry:
    intent = EffectIntent(
        key=f"rf1_{number}",
        kind=EffectKind.REFUND,
        case_id=f"case_{number}",
        branch="main",
        customer_id="cus_1",
        amount=Money(amount_minor=minor, currency="USD"),
        charge_id=f"ch_{number}",
    )
    known = state not in (EffectState.SENDING, EffectState.UNKNOWN)
    return LedgerEntry(
        intent=intent,
        state=state,
        receipt=f"re_{number}" if known else None,
        claimed_at=NOON,
        age=timedelta(hours=1),
    )


def refund(of: LedgerEntry, **changes: object) -> ProviderRefund:
    """The provider's side of an entry."""
    same = {
        "receipt": f"re_{of.key[4:]}",
        "charge_id": of.intent.charge_id,
        "amount": of.intent.amount,
        "state": of.state,
        "created_at": NOON,
        "key": of.key,
    }
    return ProviderRefund.model_validate({**same, **changes})


def compare(ours: Sequence[LedgerEntry], theirs: Sequence[ProviderRefund]) -> list[Difference]:
    comparison = Comparison()
    by_key = {one.key: one for one in ours}
    found = [d for one in theirs for d in comparison.of_theirs(one, by_key.get(one.key or ""))]
    return found + [
        Difference(kind=DifferenceKind.MISSING_THERE, subject=one.key)
        for one in ours
        if comparison.lacks(one)
    ]


entries = st.lists(
    st.builds(
        entry,
        st.integers(0, 10**6),
        st.sampled_from(STANDING),
        st.integers(1, 10**9),
    ),
    unique_by=lambda one: one.key,
    min_size=1,
    max_size=30,
)


@given(entries, st.randoms(use_true_random=False))
def test_two_sides_that_are_alike_have_no_difference_in_whatever_order(
    ours: list[LedgerEntry], chance: random.Random
) -> None:
    theirs = [refund(one) for one in ours]
    chance.shuffle(theirs)

    assert compare(ours, theirs) == []


SEEDS: dict[DifferenceKind, dict[str, object]] = {
    DifferenceKind.AMOUNT_DIFFERS: {"amount": Money(amount_minor=10**12, currency="USD")},
    DifferenceKind.CURRENCY_DIFFERS: {"amount": Money(amount_minor=4999, currency="EUR")},
    DifferenceKind.CHARGE_DIFFERS: {"charge_id": "ch_other"},
    DifferenceKind.STATE_DIFFERS: {"state": EffectState.FAILED},
    DifferenceKind.UNKNOWN_ORIGIN: {"key": None},
    DifferenceKind.MISSING_HERE: {"key": "rf1_stranger"},
}


@given(entries, st.data())
def test_a_seeded_error_is_found_as_exactly_its_class(
    ours: list[LedgerEntry], data: st.DataObject
) -> None:
    theirs = [refund(one) for one in ours]
    kind = data.draw(st.sampled_from([*DifferenceKind]))
    at = data.draw(st.integers(0, len(ours) - 1))
    wrong = ours[at]
    subjects = {wrong.key}
    match kind:
        case DifferenceKind.MISSING_THERE:
            del theirs[at]
        case DifferenceKind.PAID_TWICE:
            theirs.insert(data.draw(st.integers(0, len(theirs))), refund(wrong, receipt="re_more"))
        case DifferenceKind.UNSETTLED_HERE:
            state = data.draw(st.sampled_from([EffectState.SENDING, EffectState.UNKNOWN]))
            ours[at] = entry(int(wrong.key[4:]), state, wrong.intent.amount.amount_minor)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
        case DifferenceKind.UNKNOWN_ORIGIN | DifferenceKind.MISSING_HERE:
            more = refund(wrong, receipt="re_new", **SEEDS[kind])
            theirs.append(more)
            subjects = {more.key or more.receipt}
        case _:
            theirs[at] = refund(wrong, **SEEDS[kind])
    found = compare(ours, theirs)

    assert [one.kind for one in found] == [kind]
    assert {one.subject for one in found} == subjects


@pytest.mark.parametrize("kind", SEEDS)
def test_the_sentence_of_a_difference_names_both_sides_and_says_what_to_do(
    kind: DifferenceKind,
) -> None:
    ours = entry(1)
    [found] = compare([ours], [refund(ours), refund(ours, receipt="re_9", **SEEDS[kind])])[:1] or [
        Difference(kind=kind, subject=ours.key)
    ]
    said = sentence(found)

    assert found.subject in said
    assert said.endswith(".")


def test_a_refund_that_was_claimed_a_moment_ago_is_on_its_way() -> None:
    young = entry(1, EffectState.SENDING).model_copy(
        update={"age": IN_FLIGHT - timedelta(seconds=1)}
    )

    assert compare([young], [refund(young, state=EffectState.SUCCEEDED)]) == []


def test_an_attempt_that_came_to_nothing_under_the_same_key_is_no_difference() -> None:
    """The provider forgot the key of the first one, and was asked again."""
    ours = entry(1)
    fallen = refund(ours, receipt="re_0", state=EffectState.FAILED)

    assert compare([ours], [fallen, refund(ours)]) == []
    assert compare([ours], [refund(ours), fallen]) == []


def test_a_refund_that_is_listed_twice_was_not_paid_twice() -> None:
    ours = entry(1)

    assert compare([ours], [refund(ours), refund(ours)]) == []


def test_money_that_moved_although_the_ledger_says_no_is_a_difference() -> None:
    for state in (EffectState.REJECTED, EffectState.FAILED):
        ours = entry(1, state)
        for theirs in STANDING:
            assert differing_state(ours, theirs, "re_1") is DifferenceKind.STATE_DIFFERS
        assert differing_state(ours, EffectState.FAILED, "re_1") is None


def test_what_the_ledger_can_still_learn_is_what_is_not_over() -> None:
    for state in (EffectState.SENDING, EffectState.PENDING, EffectState.UNKNOWN):
        assert entry(1, state).takes(EffectState.SUCCEEDED)
    assert entry(1).takes(EffectState.FAILED)
    assert not entry(1).takes(EffectState.PENDING)
    assert not entry(1, EffectState.FAILED).takes(EffectState.SUCCEEDED)


def test_two_refunds_too_many_are_two_tasks() -> None:
    ours = entry(1)
    found = compare(
        [ours], [refund(ours), refund(ours, receipt="re_2"), refund(ours, receipt="re_3")]
    )

    assert [one.kind for one in found] == [DifferenceKind.PAID_TWICE] * 2
    assert len({one.task_subject for one in found}) == 2
    assert {one.remedy for one in found} == {Remedy.HANDED_OVER}
