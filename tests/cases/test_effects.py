"""What an effect is, and how the refunds of a case add up."""

import itertools

import pytest

from cases.effects import (
    EffectIntent,
    EffectKind,
    EffectState,
    Outcome,
    RefundItem,
    RefundSection,
    answer_intent,
    refund_intent,
    reset_intent,
)
from cases.ids import answer_key, refund_key, reset_key
from cases.money import Money
from tests.samples import order, usd

BY_CONCERN = [
    EffectState.SUCCEEDED,
    EffectState.SIMULATED,
    EffectState.PENDING,
    EffectState.SENDING,
    EffectState.REFUSED,
    EffectState.REJECTED,
    EffectState.FAILED,
    EffectState.UNKNOWN,
]


def item(state: EffectState, charge_id: str = "ch_2", amount: str = "10.00") -> RefundItem:
    return RefundItem(
        charge_id=charge_id, amount=usd(amount), state=state, receipt=f"re_{charge_id}"
    )


def intent(case_id: str = "case_1", branch: str = "main") -> EffectIntent:
    return refund_intent(
        order(), case_id=case_id, branch=branch, customer_id="cus_1", provider_account="sandbox"
    )


def test_every_state_has_its_place_among_the_concerns() -> None:
    assert set(BY_CONCERN) == set(EffectState)
    for state in EffectState:
        assert RefundSection.of((item(state),)).state is state


@pytest.mark.parametrize("turned", [False, True])
def test_the_worst_state_of_the_refunds_stands(*, turned: bool) -> None:
    for better, worse in itertools.pairwise(BY_CONCERN):
        items = (item(worse), item(better)) if turned else (item(better), item(worse))
        assert RefundSection.of(items).state is worse


def test_the_sum_counts_what_was_paid_or_would_be_or_is_on_its_way_and_nothing_else() -> None:
    section = RefundSection.of(tuple(item(state) for state in EffectState))

    assert section.amount == usd("30.00")
    assert RefundSection.of((item(EffectState.REJECTED),)).amount == usd("0.00")


def test_a_section_grows_by_one_refund_and_keeps_naming_the_first() -> None:
    first = RefundSection.of((item(EffectState.SUCCEEDED, "ch_2"),))
    both = RefundSection.of((*first.items, item(EffectState.UNKNOWN, "ch_3")))

    assert both.state is EffectState.UNKNOWN
    assert both.amount == usd("10.00")
    assert both.charge_id == "ch_2"
    assert both.receipt == "re_ch_2"
    assert [one.charge_id for one in both.items] == ["ch_2", "ch_3"]


def test_a_refund_takes_its_place_in_the_duplicate_group_whatever_case_asks() -> None:
    one, other = intent("case_1", "main"), intent("case_2", "what-if")

    assert one.key == other.key == refund_key("sandbox", "ch_1", 1)
    assert one.duplicate_group == other.duplicate_group == "sandbox/ch_1/1"
    assert one.parameters_digest == other.parameters_digest
    assert one.kind is EffectKind.REFUND
    assert one.charge_id == "ch_2"
    assert one.amount == usd("49.99")


def test_without_an_approval_and_without_a_limit_an_intent_names_neither() -> None:
    assert intent().approval_id is None
    assert intent().limit_minor is None


def test_the_digest_is_the_one_that_claimed_effects_carry() -> None:
    """To change it is to refuse every retry of an effect that is on its way."""
    assert intent().parameters_digest == (
        "853d130c9e46a1304af276f26a4ce8a6863830b335a1638485dbbd087625afe0"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": EffectKind.ANSWER},
        {"customer_id": "cus_2"},
        {"charge_id": "ch_3"},
        {"amount": usd("49.98")},
        {"amount": Money.parse("49.99", "EUR")},
        {"amount": None},
        {"content": "Hello"},
    ],
    ids=str,
)
def test_other_parameters_make_another_digest(change: dict[str, object]) -> None:
    assert intent().model_copy(update=change).parameters_digest != intent().parameters_digest


@pytest.mark.parametrize(
    "change",
    [{"case_id": "case_2"}, {"branch": "b"}, {"approval_id": "apr_1"}, {"limit_minor": 1}],
    ids=str,
)
def test_what_the_outside_is_not_told_is_not_in_the_digest(change: dict[str, object]) -> None:
    assert intent().model_copy(update=change).parameters_digest == intent().parameters_digest


def test_mails_are_keyed_by_their_case() -> None:
    reset = reset_intent(case_id="case_1", branch="main", customer_id="cus_1")
    answer = answer_intent(case_id="case_1", branch="main", customer_id="cus_1", text="Hello")

    assert reset.key == reset_key("cus_1", "case_1")
    assert answer.key == answer_key("case_1")
    assert answer.content == "Hello"
    assert reset.amount is answer.amount is None


def test_only_an_effect_on_its_way_is_not_settled() -> None:
    for state in EffectState:
        assert Outcome(state=state).settled is (state is not EffectState.SENDING)
