"""Which branches cannot be promoted, and what binds an approval to a plan."""

from typing import Any

import pytest

from cases.correction_plan import make_plan
from cases.effects import EffectState
from cases.promotion import PromotionRefused, check
from tests.cases.promotions import facts, refund
from tests.samples import usd


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"branch": "main"}, "main is the main line of case case_1 already"),
        ({"promoted": True}, "Branch b1 of case case_1 was promoted before"),
        ({"promoting": "b2"}, "The promotion of branch b2 of case case_1 is under way"),
        ({"ended": False}, "Branch b1 of case case_1 has not ended yet"),
        (
            {"main_version": 11},
            r"b1 of case case_1 is stale: .* at main\.9, now it is at main\.11\. Fork again",
        ),
    ],
)
def test_a_branch_that_cannot_be_promoted_is_refused_with_the_reason(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(PromotionRefused, match=why):
        check(facts(**changes))
    with pytest.raises(PromotionRefused, match=why):
        make_plan(facts(**changes))


def test_a_branch_that_has_ended_on_a_main_line_that_stood_still_can_be_promoted() -> None:
    check(facts())


@pytest.mark.parametrize("state", [EffectState.SENDING, EffectState.UNKNOWN])
def test_nothing_is_planned_while_nobody_knows_what_became_of_a_refund(state: EffectState) -> None:
    unsure = facts((refund(),), (refund(state=state),))

    with pytest.raises(PromotionRefused, match=r"outcome of the refund of 49.99 USD for ch_2 is"):
        make_plan(unsure)
    # A promotion that had begun goes on: the claim of the same effect looks for it first.
    begun = make_plan(unsure.model_copy(update={"promoting": "b1"}))
    assert begun.lines[0].key == refund().intent.key


def test_the_sum_that_a_person_approves_is_all_that_is_paid_and_all_that_is_to_come_back() -> None:
    plan = make_plan(facts((refund("40.00"), refund("10.00", 2)), (refund("49.99"),)))

    assert (plan.to_pay, plan.to_recover) == (usd("10.00"), usd("9.99"))
    assert plan.amount == usd("19.99")
    assert [(o.charge_id, o.amount, o.slot) for o in plan.orders] == [("ch_3", usd("10.00"), 2)]
    assert plan.approval_id == f"apr_{plan.digest[:24]}"


def test_nobody_is_asked_where_nothing_is_paid_and_nothing_is_to_come_back() -> None:
    same = make_plan(facts((refund(),), (refund(),)))
    nothing = make_plan(facts())

    assert (same.to_pay, same.to_recover) == (usd("0"), usd("0"))
    assert (nothing.to_pay, nothing.to_recover) == (None, None)
    for plan in (same, nothing):
        assert (plan.amount, plan.approval_id) == (None, None)


def test_another_plan_is_another_request_and_the_same_plan_is_the_same() -> None:
    digest = make_plan(facts((refund(),))).digest
    others = [
        facts((refund("50.00"),)),
        facts((refund(slot=2),)),
        facts((refund(),), (refund("1.00"),)),
        facts((refund(),), branch="b2"),
        facts((refund(),), case_id="case_2"),
        facts((refund(),), base_version=8, main_version=8),
    ]

    assert make_plan(facts((refund(),))).digest == digest
    # That the bank has carried out what was on its way is no other plan.
    paid, pending = refund(), refund(state=EffectState.PENDING)
    assert make_plan(facts((paid,), (pending,))).digest == make_plan(facts((paid,), (paid,))).digest
    assert len({digest, *(make_plan(other).digest for other in others)}) == len(others) + 1
