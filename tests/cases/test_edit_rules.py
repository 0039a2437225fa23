"""What follows from an edit: a section never says two things, and nothing is made up."""

import json
from typing import Any

import pytest

from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection, RefundOrder
from cases.edits import apply_edits, parse_edit
from cases.errors import InvalidInput
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.routing import AfterPolicy, after_policy
from cases.state import CaseState
from tests.cases.test_edits import ASKED, PAID, PAYS
from tests.samples import case, duplicates, needs, order, usd

SECOND = RefundOrder(charge_id="ch_3", amount=usd("10.00"), anchor_charge="ch_1", slot=2)
ASKS = PAYS.model_copy(
    update={
        "decision": Decision.NEEDS_HUMAN,
        "rule": "above_limit",
        "approval_required": True,
        "approval_id": "apr_1",
    }
)
SEVERAL = PAYS.model_copy(update={"amount": usd("59.99"), "orders": (order(), SECOND)})


def state_with(policy: PolicySection, *more: Any) -> CaseState:
    return case(needs("billing"), duplicates(*policy.orders), policy, *more)


def policy(*edits: str, of: PolicySection = PAYS) -> PolicySection:
    found = apply_edits(state_with(of), [parse_edit(f"policy.{edit}") for edit in edits])
    assert found.keys() == {"policy"}
    return PolicySection.model_validate(found["policy"].model_dump())


def billing(*edits: str, orders: tuple[RefundOrder, ...] = (order(),)) -> BillingSection:
    state = case(needs("billing"), duplicates(*orders))
    found = apply_edits(state, [parse_edit(f"billing.{edit}") for edit in edits])
    return BillingSection.model_validate(found["billing"].model_dump())


def refused(state: CaseState, *edits: str) -> str:
    with pytest.raises(InvalidInput) as error:
        apply_edits(state, [parse_edit(edit) for edit in edits])
    return str(error.value)


@pytest.mark.parametrize("decision", ["no_action", "needs_human"])
@pytest.mark.parametrize("of", [PAYS, ASKS, SEVERAL], ids=["pays", "asks", "several"])
def test_a_decision_that_pays_nothing_has_no_orders_and_asks_nobody(
    decision: str, of: PolicySection
) -> None:
    found = policy(f"decision={decision}", of=of)

    assert (found.decision, found.rule) == (decision, "edited")
    assert found.reason == "Edited on a branch."
    assert (found.amount, found.orders) == (None, ())
    assert (found.approval_required, found.approval_id) == (False, None)
    assert after_policy(found) is AfterPolicy.ANSWER


def test_a_refund_pays_the_orders_that_stand_there_without_a_person() -> None:
    found = policy("decision=refund", of=ASKS)

    assert (found.amount, found.orders) == (ASKS.amount, ASKS.orders)
    assert (found.approval_required, found.approval_id) == (False, None)
    assert after_policy(found) is AfterPolicy.PAY


def test_what_is_edited_itself_is_not_what_follows() -> None:
    found = policy("decision=no_action", "reason=The customer has paid once.", "rule=by_hand")
    asks = policy("decision=needs_human", "approval_required=true", of=ASKS)

    assert (found.rule, found.reason) == ("by_hand", "The customer has paid once.")
    assert (asks.approval_required, asks.orders) == (True, ASKS.orders)


def test_one_order_follows_the_amount_and_the_amount_the_orders() -> None:
    amount = policy("amount=40.00")
    of_order = policy("orders[0].amount=40.00")

    assert amount == of_order
    assert [one.amount for one in amount.orders] == [usd("40.00")]
    assert amount.amount == usd("40.00")
    assert (amount.decision, amount.rule) == (Decision.REFUND, "edited")
    assert policy("orders[1].amount=20.01", of=SEVERAL).amount == usd("70.00")
    assert policy("amount=40.00 EUR").orders[0].amount.currency == "EUR"
    assert policy("amount.amount_minor=4000") == amount
    yen = policy("amount=5000 JPY")
    assert policy("amount=40", of=yen).amount == Money(amount_minor=40, currency="JPY")
    assert policy("amount=1300.00", of=ASKS).approval_required


def test_other_edits_leave_the_amounts_and_the_rule_alone() -> None:
    found = policy("policy_version=7")

    assert found == PAYS.model_copy(update={"policy_version": 7})


@pytest.mark.parametrize(
    ("of", "edits", "words"),
    [
        (SEVERAL, ["amount=40.00"], "policy.amount: 2 orders make it: set policy.orders[0].amount"),
        (PAYS, ["amount=0"], "policy.orders: there is none to pay"),
        (PAYS, ["amount=null"], "policy.orders: there is none to pay"),
        (PAYS, ["amount=-1.00"], "policy.orders[0].amount: -1.00 USD cannot be paid"),
        (PAYS, ["amount.amount_minor=1000000000000001"], "10000000000000.01 USD cannot be paid"),
        (PAYS, ["orders=[]"], "policy.orders: there is none to pay"),
        (PAYS, ["orders[0].slot=0"], "policy.orders[0]: slot and attempt count from 1"),
        (PAYS, ["orders[0].charge_id=a b"], "policy.orders[0].charge_id: 'a b' is not an id"),
        (
            PAYS,
            ["amount=40.00", "orders[0].amount=41.00"],
            "40.00 USD is not the sum of the orders",
        ),
        (PAYS, ["decision=no_action", "amount=40.00"], "policy.amount: no order pays it"),
        (PAYS, ["decision=no_action", "orders[0].amount=40.00"], "policy.orders: no_action pays"),
        (PAYS, ["decision=no_action", "approval_required=true"], "no_action asks nobody"),
        (ASKS, ["approval_required=false"], "policy.amount: needs_human pays nothing"),
        (SEVERAL, ["orders[1].slot=1"], "policy.orders[1]: slot and attempt"),
        (SEVERAL, ["orders[1].amount=1.00 EUR"], "policy.orders: USD and EUR cannot be combined"),
    ],
)
def test_a_section_that_would_contradict_itself_is_refused(
    of: PolicySection, edits: list[str], words: str
) -> None:
    assert words in refused(state_with(of), *(f"policy.{edit}" for edit in edits))


def test_a_refund_of_nothing_is_refused() -> None:
    nothing = PolicySection(
        decision=Decision.NO_ACTION, rule="nothing_found", reason="", policy_version=1
    )

    assert "policy.orders: there is none to pay" in refused(
        state_with(PAYS, nothing), "policy.decision=refund"
    )
    assert "no order pays it" in refused(state_with(PAYS, nothing), "policy.amount=4.00 USD")


def test_what_billing_found_agrees_with_its_orders() -> None:
    less, none = billing("refundable=40.00"), billing("refundable=0")

    assert less.orders == (order(amount=usd("40.00")),)
    assert less.status == "duplicates_found"
    assert (none.orders, none.refundable, none.status) == ((), usd("0"), "nothing_found")
    assert billing("orders=[]") == none
    assert billing("orders=[]", "status=needs_human").status == "needs_human"
    assert billing("orders[1].amount=1.00", orders=(order(), SECOND)).refundable == usd("50.99")
    assert billing('doubts=["The account was sold."]').refundable == usd("49.99")


def test_what_billing_found_is_called_by_its_name() -> None:
    orders = json.dumps([order().model_dump(mode="json")])
    back = '[{"charge_id": "ch_2", "amount": "49.99 USD", "refunded_at": "2026-11-03T12:00:00Z"}]'
    none = case(duplicates(order()).model_copy(update={"status": "nothing_found", "orders": ()}))

    assert billing("orders=[]", f"past_refunds={back}").status == "already_refunded"
    found = apply_edits(none, [parse_edit(f"billing.orders={orders}")])["billing"]
    assert found == duplicates(order())


def test_more_orders_than_billing_ever_finds_are_refused() -> None:
    one = '{"charge_id": "ch_%d", "anchor_charge": "ch_0", "slot": %d, "amount": "1.00 USD"}'
    many = ",".join(one % (n, n) for n in range(1, 52))

    problem = refused(state_with(PAYS), f"billing.orders=[{many}]")

    assert problem == "billing.orders: has 51, more than the 50 at once"


@pytest.mark.parametrize("decision", ["no_action", "needs_human", "refund"])
def test_a_request_that_the_decision_does_not_need_is_void(decision: str) -> None:
    denied = ASKED.model_copy(update={"state": ApprovalState.DENIED, "decided_by": ("kim",)})
    edit = [parse_edit(f"policy.decision={decision}")]
    for asked in (ASKED, denied):
        found = apply_edits(state_with(ASKS, asked), edit)
        assert found["approval"] == asked.model_copy(update={"state": ApprovalState.VOID})

    assert "approval" not in apply_edits(state_with(ASKS, ASKED, PAID), edit)
    assert "approval" not in apply_edits(state_with(PAYS, denied), edit)
    both = [*edit, parse_edit("approval.state=expired")]
    expired = apply_edits(state_with(ASKS, ASKED), both)["approval"]
    assert expired.model_dump()["state"] == ApprovalState.EXPIRED


def test_a_request_stands_where_the_policy_still_asks() -> None:
    assert apply_edits(state_with(ASKS, ASKED), [parse_edit("policy.amount=40.00")]).keys() == {
        "policy"
    }


def test_a_verdict_may_be_another_one_and_is_nobodys() -> None:
    approved = ASKED.model_copy(
        update={"state": ApprovalState.APPROVED, "decided_by": ("kim",), "note": "They are right."}
    )
    state = state_with(ASKS, approved)

    found = apply_edits(state, [parse_edit("approval.state=denied")])["approval"]

    assert found == approved.model_copy(
        update={"state": ApprovalState.DENIED, "decided_by": (), "note": "Edited on a branch."}
    )
    for state_name in ("pending", "void"):
        assert "nobody is asked on a branch" in refused(state, f"approval.state={state_name}")
    assert isinstance(found, ApprovalSection)
