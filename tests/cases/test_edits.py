"""Edits are read strictly, change what they name, and leave a section that its type takes."""

import json
from decimal import Decimal
from typing import Any

import pytest

from cases.approvals import ApprovalSection, ApprovalState
from cases.diff import diff
from cases.edits import apply_edits, edited_request, parse_edit, parse_edit_file
from cases.effects import EffectState, RefundItem, RefundSection, ResolutionSection
from cases.errors import InvalidInput
from cases.policy import Decision, PolicySection
from cases.state import CaseState, CaseStatus
from tests.cases.test_diff import BagSection
from tests.samples import case, duplicates, needs, order, usd

PAYS = PolicySection(
    decision=Decision.REFUND,
    rule="proven_duplicate",
    reason="49.99 USD is within 500.00 USD.",
    policy_version=1,
    amount=usd("49.99"),
    orders=(order(),),
)
ASKED = ApprovalSection(
    approval_id="apr_1", state=ApprovalState.PENDING, amount=usd("49.99"), digest="d"
)
PAID = RefundSection.of(
    (RefundItem(charge_id="ch_2", amount=usd("49.99"), state=EffectState.SUCCEEDED),)
)
WRITTEN = ResolutionSection(answer="Hello", closes_as=CaseStatus.ANSWERED, sent=True)
BAG = BagSection.model_validate({"a.b": {"c": [1, "two"]}, 'q"]': 1, "text": "x"})
FULL = case(needs("billing"), duplicates(order()), PAYS, ASKED, PAID, WRITTEN, BAG)


def edited(*texts: str, state: CaseState = FULL) -> dict[str, Any]:
    """What the edits change: the paths that differ, and their values."""
    sections = apply_edits(state, [parse_edit(text) for text in texts])
    after = state.model_copy(update={"sections": {**state.sections, **sections}})
    return {change.path: change.after for change in diff(state, after)}


def refused(*texts: str, state: CaseState = FULL) -> str:
    with pytest.raises(InvalidInput) as error:
        edited(*texts, state=state)
    assert len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x.y=no_action", "no_action"),
        ("x.y=a=b", "a=b"),
        ("x.y=", ""),
        (' x.y ="40.00"', "40.00"),
        ("x.y=40.10", Decimal("40.10")),
        ("x.y=-7", -7),
        ("x.y=true", True),
        ("x.y=null", None),
        ('x.y={"a": [0.1]}', {"a": [Decimal("0.1")]}),
        ("x.y=NaN", "NaN"),
        ("x.y=[see ticket 7", "[see ticket 7"),
    ],
)
def test_a_value_is_json_or_else_text(text: str, value: Any) -> None:
    edit = parse_edit(text)

    assert edit.steps == ("x", "y")
    assert edit.value == value
    assert type(edit.value) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policy.decision", "--set: 'policy.decision' is not of the form section.key=value"),
        ("=1", "--set: '' is not a path"),
        ("a..b=1", "--set: 'a..b' is not a path"),
        ("[0].a=1", "--set: '[0].a' is not a path"),
        ("a[x]=1", "--set: 'a[x]' is not a path"),
        ("a[-1]=1", "--set: 'a[-1]' is not a path"),
        ("a\x1b.b=1", r"--set: 'a\x1b.b' is not a path"),
        ("a\udc80.b=1", r"--set: 'a\udc80.b' is not a path"),
        ("a" * 999 + "=1", "--set: 'aaa"),
        ("a.b=" + "9" * 19, "a.b: a number has more than 18 digits (in quotes it is text)"),
        ("a.b=1e9", "a.b: a number has an exponent, or too many digits"),
        ('a.b={"c": 1, "c": 2}', "a.b: 'c' stands in one object twice"),
        ("a.b=" + "[" * 66 + "]" * 66, "a.b: it is nested too deeply"),
        ("a.b=" + "[" * 200_000 + "]" * 200_000, "a.b: it is nested too deeply"),
        ("request.message_id=1", "request.message_id: only the text of the request"),
        ("request=1", "request: only the text of the request"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_edit(text)

    assert str(error.value).startswith(words)
    assert len(str(error.value)) < 150


def test_a_file_holds_values_by_their_paths() -> None:
    edits = parse_edit_file('{"policy.decision": "no_action", "billing": {"refundable": 0.10}}')

    assert [(edit.steps, edit.value) for edit in edits] == [
        (("policy", "decision"), "no_action"),
        (("billing",), {"refundable": Decimal("0.10")}),
    ]
    assert not any(edit.text for edit in edits)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be used: Expecting value"),
        ("[1]", "is not one JSON object such as"),
        ('{"a.b": 1, "a.b": 2}', "cannot be used: 'a.b' stands in one object twice"),
        ('{"a.b": NaN}', "cannot be used: NaN is no JSON"),
        ('{"a.b": 1e400}', "cannot be used: a number has an exponent"),
        ('{"a.b": ' + "1" * 5000 + "}", "cannot be used: a number has more than 18 digits"),
        ('{"a.b": ' + "[" * 99_999 + "]" * 99_999 + "}", "cannot be used: it is nested too"),
        ('{"": 1}', "'' is not a path"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_edit_file(text)

    assert str(error.value).startswith(f"--set-file: {words}")


def test_every_path_that_a_diff_prints_can_be_edited() -> None:
    assert edited('bag["a.b"].c[1]=2') == {'bag["a.b"].c[1]': 2}
    assert edited("billing.charges_seen=2") == {"billing.charges_seen": 2}
    assert edited("understanding.needs[0]=account") == {"understanding.needs[0]": "account"}
    assert edited('billing.duplicates=[["ch_1", "ch_2"]]') == {
        "billing.duplicates[0]": ["ch_1", "ch_2"]
    }


def test_text_is_text_even_where_it_looks_like_a_number() -> None:
    assert edited("policy.reason=0.50") == {"policy.reason": "0.50"}
    assert edited("policy.orders[0].charge_id=007")["policy.orders[0].charge_id"] == "007"
    assert edited("billing.error=null", "billing.status=7") == {"billing.status": "7"}


@pytest.mark.parametrize("amount", ['"40.00 USD"', "40.00", "40", "40.00 usd", "040.00"])
def test_an_amount_may_be_written_as_people_do(amount: str) -> None:
    found = edited(f"policy.amount={amount}")

    assert found["policy.amount.amount_minor"] == 4000
    assert "policy.amount.currency" not in found


def test_an_amount_inside_a_list_may_be_written_so_too() -> None:
    other = '[{"charge_id": "ch_3", "anchor_charge": "ch_1", "slot": 1, "amount": 12.50}]'

    found = edited(f"policy.orders={other}")

    assert found["policy.orders[0].charge_id"] == "ch_3"
    assert found["policy.amount.amount_minor"] == 1250


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense.x=1", "there is no section 'nonsense': main.8 has understanding, billing, "),
        ("account.status=x", "account is not written yet: main.8 has understanding, billing, "),
        ("policy.nonsense=1", "there is no 'nonsense', only status, error, decision, rule, "),
        ("policy.schema_version=1", "there is no 'schema_version', only status"),
        ("policy[0]=1", "there is no '0', only status"),
        ("policy.decision.x=1", "holds nothing below which 'x' could be"),
        ("policy.decision=maybe", "should be 'refund', 'no_action' or 'needs_human'"),
        ("policy.orders[1].amount=1", "[1] is none of the 1 items, counted from [0]"),
        ("policy.orders.x=1", "[x] is none of the 1 items"),
        ("policy.orders[0].slot=true", "should be a valid integer"),
        ("policy.orders[0].x=1", "there is no 'x', only charge_id, amount, "),
        ('policy.orders[0]={"x": 1}', "charge_id: Field required"),
        ("policy.amount=40,00", "'40,00' is not a plain decimal number"),
        ("policy.amount=forty", "'forty' is not a plain decimal number"),
        ('policy.amount="9999999999999999 USD"', "'9999999999999999' has too many digits"),
        ("policy.amount=" + "4" * 18, "444444444444444444' has too many digits"),
        ("policy.policy_version=0.5", "should be a valid integer"),
        ('bag["a.b"]=0.5', "only money takes a fraction"),
        ('bag["a.b"].d.e=1', "there is no 'd', only c"),
        ("billing.customer_known=yes", "should be a valid boolean"),
        ("billing=nothing", "is a whole section: name a key of it, such as billing.status"),
        ('billing={"nothing": 1}', "there is no 'nothing', only status, error, customer_known"),
        ('billing={"schema_version": 2}', "schema_version 1 is the only one"),
        ('policy={"rule": "x"}', "decision: Field required"),
        ('["billing.scratch"].text=x', "there is no section 'billing.scratch'"),
        ("refund.amount=1", "says what was paid: edit policy or billing, at a checkpoint before"),
        ('resolution={"answer": "", "closes_as": "answered"}', "says what was really done"),
        ("approval.digest=x", "says what was really done"),
        ("policy.reason=\udc80", "holds text that is not valid Unicode"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(text: str, words: str) -> None:
    problem = refused(text)

    assert problem.startswith(text.partition("=")[0].partition("[")[0].partition(".")[0] or "[")
    assert words in problem or "'billing.scratch'" in words


def test_a_private_note_cannot_be_edited() -> None:
    note = parse_edit('["billing.scratch"].text=x')
    scratch = {"billing.scratch": {"text": "upset"}}
    state = FULL.model_copy(update={"sections": CaseState.model_validate(
        {"case_id": "c", "customer_id": "c", "sections": scratch}).sections})  # fmt: skip

    with pytest.raises(InvalidInput, match="is an agent's private note"):
        apply_edits(state, [note])
    assert "has no sections yet" in refused("policy.status=x", state=state)


def test_no_more_of_a_customers_words_is_repeated_than_a_few() -> None:
    words = "my password is hunter2 " * 20

    for path in ("policy.amount", "policy.decision", "policy.orders", "billing.customer_known"):
        assert "hunter2 my password is hunter2" not in refused(f"{path}={words}")


def test_edits_of_one_section_come_together_in_their_order() -> None:
    whole = json.dumps({**BAG.model_dump(), "text": "y"})

    assert edited(f"bag={whole}", 'bag["a.b"].c[0]=5') == {"bag.text": "y", 'bag["a.b"].c[0]': 5}
    assert "bag.text: is set twice" in refused("bag.text=y", 'bag["text"]=z').replace(
        '["text"]', ".text"
    )
    assert "bag: would undo bag.text: set it first" in refused("bag.text=y", f"bag={whole}")


def test_a_whole_section_is_what_show_prints_of_it() -> None:
    for name in ("billing", "policy", "approval", "resolution", "understanding"):
        body = json.dumps(FULL.sections[name].model_dump(mode="json"))
        assert edited(f"{name}={body}").keys() <= {"policy.rule", "policy.reason"}


def test_the_customers_words_can_be_others() -> None:
    def text(*edits: str, state: CaseState = FULL) -> str | None:
        return edited_request(state, [parse_edit(edit) for edit in edits])

    assert text("policy.amount=1") is None
    assert text("policy.amount=1", "request.text= I want\x00 it.\r\n ") == "I want\ufffd it."
    assert text("request.text=42.0") == "42.0"
    assert edited("request.text=42") == {}
    with pytest.raises(InvalidInput, match=r"request\.text: is empty"):
        text("request.text=")
    with pytest.raises(InvalidInput, match=r"request\.text: is not text"):
        edited_request(FULL, parse_edit_file('{"request.text": 42}'))
    with pytest.raises(InvalidInput, match=r"main\.8 does not hold the first message any more"):
        text("request.text=x", state=FULL.model_copy(update={"messages_pruned": 1}))
