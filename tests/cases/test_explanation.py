"""What an explanation says where the record is old, cut or at odds with itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.effects import EffectIntent, EffectKind
from cases.explanation import Explanation, NotYetOnRecord, explain
from cases.money import Money
from cases.policy import RefundPolicy
from cases.trail import CaseFacts, CaseRow, LedgerRow, Line, TrailRow

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
POLICY = RefundPolicy(version=1, limit_days=30, limits={"USD": 50_000})
USD = Money(amount_minor=4999, currency="USD")
INTENT = EffectIntent(
    key="rf1_x",
    kind=EffectKind.REFUND,
    case_id="case_1",
    branch="main",
    customer_id="cus_1",
    amount=USD,
    charge_id="ch_2",
    duplicate_group="acct/ch_1/1",
    limit_minor=50_000,
)
RULED: dict[str, Any] = {
    "decision": "refund",
    "rule": "proven_duplicate",
    "reason": "because",
    "policy_version": 1,
    "amount": {"amount_minor": 4999, "currency": "USD"},
}


def row(seq: int, event: str = "section_written", **fields: Any) -> TrailRow:
    """The case's row of that number, a minute after the one before."""
    at = START + timedelta(minutes=seq)
    known: dict[str, Any] = {
        "branch": "main", "seq": seq, "version": seq, "at": at, "actor": "house", "event": event,
        "step": f"step:{seq}:x", "section": None, "old_version": None, "detail": "{}",
        "hash": f"h{seq}", "status": "received", "checkpoint_at": at,
    }  # fmt: skip
    return TrailRow(**(known | fields))


def agent(seq: int, name: str, detail: str = "{}", value: Any = None, **fields: Any) -> TrailRow:
    """The step of an agent that writes the section of its name."""
    step = f"{name}:1"
    known = {"actor": name, "step": step, "section": name, "detail": detail, "value": value}
    return row(seq, **{**known, **fields})


def ledger(**fields: Any) -> LedgerRow:
    known: dict[str, Any] = {
        "key": "rf1_x", "kind": "refund", "branch": "main", "mode": "done", "state": "succeeded",
        "receipt": "re_1", "code": None, "amount": USD, "charge_id": "ch_2", "intent": INTENT,
        "parameters_hash": INTENT.parameters_digest, "approval_id": None, "attempts": 1,
        "claimed_at": START + timedelta(minutes=2), "settled_at": START + timedelta(minutes=4),
    }  # fmt: skip
    return LedgerRow(**(known | fields))


def facts(*trail: TrailRow, **fields: Any) -> CaseFacts:
    case = CaseRow(
        case_id="case_1", branch="main", customer_id="cus_1", opened_by="", opened_at=START,
        parent_branch=None, parent_version=None, forked_by=None,
    )  # fmt: skip
    known: dict[str, Any] = {
        "case": case, "lines": (Line(branch="main", until=2**62),), "trail": trail, "effects": (),
        "requests": (), "tasks": (), "compensations": (), "archived": frozenset[str](),
    }  # fmt: skip
    return CaseFacts(**(known | fields))


def told(*trail: TrailRow, **fields: Any) -> Explanation:
    return explain(facts(*trail, **fields), POLICY)


PAID = (
    agent(1, "policy", '{"saw":"0"}', RULED),
    row(3, "effect_claimed", step="rf1_x", version=1, detail="refund"),
    row(4, "effect_settled", step="rf1_x", version=1, detail="succeeded re_1"),
)


def test_what_an_agent_saw_is_the_newest_of_each_section_at_its_version_but_no_others_notes() -> (
    None
):
    writes = [
        agent(1, "billing"),
        agent(1, "billing", section="billing.scratch"),
        agent(2, "account"),
        agent(3, "billing", step="billing:2"),
        agent(4, "policy", '{"saw":"2"}'),
        agent(5, "billing", '{"saw":"4"}', step="billing:3"),
    ]
    *_, policy, billing = told(*writes).decisions
    assert policy.saw
    assert billing.saw
    assert (policy.saw.recorded, policy.saw.checkpoint_id) == (True, "main.2")
    assert policy.saw.sections == {"account": 2, "billing": 1}
    assert billing.saw.sections == {"account": 2, "billing": 3, "billing.scratch": 1, "policy": 4}


@pytest.mark.parametrize("detail", ["{}", "not json", '{"saw":"x"}', '{"saw":"-1"}', "[1]"])
def test_where_it_was_not_recorded_it_says_so_and_at_most_the_version_before(detail: str) -> None:
    *_, decision = told(agent(1, "billing"), agent(2, "policy", detail)).decisions
    assert decision.saw
    assert (decision.saw.recorded, decision.saw.version) == (False, 1)
    assert decision.saw.sections == {"billing": 1}


def test_what_no_agent_decided_saw_nothing() -> None:
    for step, actor in (("approval:apr_1:approved", "approval"), ("answer", "response"),
                        ("refund:ch_1:1", "refund"), ("billing:1", "kim")):  # fmt: skip
        [decision] = told(agent(2, "x", step=step, actor=actor)).decisions
        assert decision.saw is None


def test_of_another_policy_version_no_limit_is_guessed() -> None:
    for version, known in ((1, True), (2, False)):
        [decision] = told(agent(1, "policy", value=RULED | {"policy_version": version})).decisions
        assert decision.ruling
        assert decision.ruling.policy_known is known
        assert decision.ruling.limit == (POLICY.limit("USD") if known else None)
        assert decision.ruling.limit_days == (30 if known else None)
    [unreadable] = told(agent(1, "policy", value={"decision": 1})).decisions
    assert unreadable.ruling is None


def test_a_refund_names_the_order_the_limit_and_the_rows_that_bear_it_out() -> None:
    explanation = told(*PAID, effects=(ledger(),))
    [refund] = explanation.effects
    assert (refund.ordered_by, refund.claimed_after, refund.state) == (
        "main.1", "main.1", "succeeded",
    )  # fmt: skip
    assert (refund.limit, refund.limit_days) == (POLICY.limit("USD"), 30)
    assert [event.audit.seq for event in refund.history] == [3, 4]
    assert (explanation.gaps, explanation.events) == ((), ())


def test_as_of_a_moment_an_outcome_that_came_later_is_not_told() -> None:
    later = ledger(state="failed", code="closed", settled_at=START + timedelta(minutes=5))
    resolved = row(5, "effect_settled", step="rf1_x", version=1, detail="failed re_1 closed")
    whole = facts(*PAID, resolved, effects=(later,))
    states: list[Any] = []
    for minutes in (3, 4, 5):
        then = explain(whole, POLICY, START + timedelta(minutes=minutes))
        [effect] = then.effects
        states.append((effect.state, effect.receipt, effect.code))
        assert then.gaps == ()
    assert states == [
        ("sending", None, None),
        ("succeeded", "re_1", None),
        ("failed", "re_1", "closed"),
    ]
    assert explain(whole, POLICY, START + timedelta(minutes=1)).effects == ()
    with pytest.raises(NotYetOnRecord):
        explain(whole, POLICY, START)


def test_an_effect_that_was_claimed_after_the_trail_was_read_is_left_to_the_next_time() -> None:
    new = ledger(key="rf1_y", claimed_at=START + timedelta(hours=1))
    assert [one.key for one in told(*PAID, effects=(ledger(), new)).effects] == ["rf1_x"]


@pytest.mark.parametrize(
    ("trail", "effect", "gap"),
    [
        (PAID, {"receipt": "no"}, "the audit says 'succeeded re_1', and the ledger 'succeeded no'"),
        (PAID, {"parameters_hash": "0"}, "its parameters were changed or cannot be read"),
        (PAID, {"intent": None}, "its parameters were changed or cannot be read"),
        (PAID, {"approval_id": "apr_1"}, "its approval apr_1 is gone"),
        (PAID[1:], {}, "nothing on record ordered it"),
        ((PAID[0], PAID[2]), {}, "the audit has no row of its claim"),
    ],
)  # fmt: skip
def test_an_effect_that_the_record_does_not_bear_out_is_a_gap(
    trail: tuple[TrailRow, ...], effect: dict[str, Any], gap: str
) -> None:
    gaps = told(*trail, effects=(ledger(**effect),)).gaps
    assert f"refund rf1_x: {gap}" in gaps


@pytest.mark.parametrize(
    ("fields", "gap"),
    [
        ({"intact": False}, "main.2: the value of policy was changed or is gone"),
        ({"checkpoint_at": None}, "main.2: the checkpoint of policy:1 is gone"),
        ({"detail": '{"saw":"2"}'}, "main.2: it says that it saw main.2, which came later"),
        (
            {"value": {"text": {"digest": "ab" * 32, "bytes": 9, "start": "x"}}},
            "main.2: the long text abababababab is gone",
        ),
    ],
)
def test_a_decision_that_the_record_does_not_bear_out_is_a_gap(
    fields: dict[str, Any], gap: str
) -> None:
    assert told(agent(1, "billing"), agent(2, "policy", **fields)).gaps == (gap,)


def test_long_texts_that_are_kept_are_referred_to() -> None:
    value = {"a": [{"text": {"digest": "d", "bytes": 9, "start": "x"}}]}
    [decision] = told(agent(1, "billing", value=value), archived=frozenset("d")).decisions
    assert decision.wrote[0].archived == ("d",)
