"""What an explanation says of requests, votes, notices and promotions."""

from datetime import timedelta
from typing import Any

import pytest

from cases.billing import RefundOrder
from cases.effects import EffectKind
from cases.explanation import explain
from cases.ids import notice_key
from cases.trail import RequestRow, Vote
from tests.cases.test_explanation import (
    INTENT,
    PAID,
    POLICY,
    START,
    USD,
    agent,
    facts,
    ledger,
    row,
    told,
)


def _request(**fields: Any) -> RequestRow:
    known: dict[str, Any] = {
        "approval_id": "apr_1", "branch": "main", "digest": "d", "amount": USD, "rule": "promotion",
        "orders": (RefundOrder(charge_id="ch_2", amount=USD, anchor_charge="ch_1", slot=1),),
        "state": "approved", "needed": 2, "asked": 1, "requested_at": START + timedelta(minutes=2),
        "expires_at": START + timedelta(days=3), "decided_at": START + timedelta(minutes=4),
        "consumed_by": (), "promotes": "b1", "requested_by": "kim", "votes": (),
    }  # fmt: skip
    return RequestRow(**(known | fields))


def test_a_promotion_is_approved_once_as_many_people_as_it_needs_have_said_so() -> None:
    votes = tuple(
        Vote(who=who, verdict="approved", note="", at=START + timedelta(minutes=at), asked=1)
        for who, at in (("ann", 3), ("bob", 4))
    )
    trail = (
        row(1, "message_received"),
        row(2, "promotion_requested", actor="kim", detail="b1 apr_1"),
        row(3, "promotion_decided", actor="ann", detail="b1 apr_1 approved fine, as apr_2"),
        row(4, "promotion_decided", actor="bob", detail="b1 apr_1 approved"),
        row(5, "promotion_begun", actor="kim", detail="b1 apr_1"),
        row(6, "promotion_void", actor="promotion", detail="apr_1: the branch is stale"),
    )
    ended = _request(votes=votes, state="void", decided_at=START + timedelta(minutes=6))
    whole = facts(*trail, requests=(ended,))
    found: list[Any] = []
    for minutes in range(2, 7):
        then = explain(whole, POLICY, START + timedelta(minutes=minutes))
        [request] = then.approvals
        found.append((request.state, request.decided_by, len(request.votes)))
        assert then.gaps == ()
    assert found == [
        ("pending", (), 0),
        ("pending", ("ann",), 1),
        ("approved", ("ann", "bob"), 2),
        ("approved", ("ann", "bob"), 2),
        ("void", ("ann", "bob"), 2),
    ]


def test_what_a_promotion_did_was_ordered_by_its_beginning() -> None:
    begun = row(2, "promotion_begun", actor="kim", detail="b1", version=1)
    written = row(6, step="promotion:b1", section="refund", actor="kim", detail="b1 promoted")
    intent = INTENT.model_copy(update={"promotes": "b1"})
    earlier = row(7, "promotion_begun", actor="kim", detail="b0", version=5)
    trail = (PAID[0], earlier, begun, *PAID[1:], written)
    explanation = told(*trail, effects=(ledger(intent=intent),))
    [refund] = explanation.effects
    assert (refund.promotes, refund.ordered_by, refund.recorded_in) == ("b1", "main.1", "main.6")
    assert [event.detail for event in explanation.events] == ["b0", "b1"]
    unbegun = told(*PAID, effects=(ledger(intent=intent),))
    assert unbegun.gaps == ("refund rf1_x: nothing on record ordered it",)


def test_a_request_that_was_changed_or_is_gone_is_a_gap() -> None:
    asked = {
        "approval_id": "apr_1", "state": "approved", "digest": "d",
        "amount": {"amount_minor": 4999, "currency": "USD"},
    }  # fmt: skip
    trail = agent(5, "approval", value=asked, step="approval:apr_1:approved")
    assert told(trail).gaps == ("approval apr_1: the request is gone",)
    assert told(trail, requests=(_request(),)).gaps == ()
    other = told(trail, requests=(_request(digest="e"),)).gaps
    assert other == ("approval apr_1: the request is not the one that was shown",)
    denied = told(trail, requests=(_request(state="denied"),)).gaps
    assert denied == ("approval apr_1: the audit says 'approved', and the request 'denied'",)


@pytest.mark.parametrize("of_a_promotion", [False, True])
def test_a_notice_names_the_request_that_it_told_of(of_a_promotion: bool) -> None:
    asked = {
        "approval_id": "apr_1", "state": "pending", "digest": "d",
        "amount": {"amount_minor": 4999, "currency": "USD"},
    }  # fmt: skip
    request = row(1, "promotion_requested", detail="b1 apr_1")
    if not of_a_promotion:
        request = agent(1, "approval", value=asked, step="approval_request:1")
    key = notice_key("apr_1", "reminder", 2)
    intent = INTENT.model_copy(update={"key": key, "kind": EffectKind.NOTICE, "amount": None})
    notice = ledger(
        key=key, kind="notice", amount=None, charge_id=None, intent=intent, receipt="ml_1",
        parameters_hash=intent.parameters_digest,
    )  # fmt: skip
    explanation = told(
        request,
        row(3, "effect_claimed", step=key, version=1, detail="notice"),
        row(4, "effect_settled", step=key, version=1, detail="succeeded ml_1"),
        effects=(notice,),
        requests=(_request(state="pending", asked=2, decided_at=None),),
    )
    [effect] = explanation.effects
    assert (effect.approval_id, effect.ordered_by, effect.limit) == ("apr_1", "main.1", None)
    assert explanation.gaps == ()
