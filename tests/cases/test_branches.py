"""Branches, and what one goes on with where the main line would ask a person."""

from typing import Any

import pytest

from cases.approvals import EXPIRES_AFTER, Approval, ApprovalSection, ApprovalState
from cases.branches import ASSUMED, Branch, BranchExists, assumed
from cases.errors import Conflict, InvalidInput
from cases.policy import Decision, PolicySection
from cases.state import CaseState, CaseStatus
from tests.samples import NOON, case, order, usd

ORDER = order(amount=usd("1200.00"))
POLICY = PolicySection(
    decision=Decision.NEEDS_HUMAN,
    reason="A person must decide.",
    rule="above_limit",
    policy_version=1,
    amount=usd("1200.00"),
    orders=(ORDER,),
    approval_required=True,
    approval_id="apr_1",
)
ASKED = ApprovalSection(
    approval_id="apr_1", state=ApprovalState.PENDING, amount=usd("1200.00"), digest="d1"
)
APPROVED, DENIED, EXPIRED = ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.EXPIRED


def on_record(state: ApprovalState, **fields: Any) -> Approval:
    known: dict[str, Any] = {
        "approval_id": "apr_1",
        "case_id": "case_1",
        "branch": "main",
        "digest": "d1",
        "amount": usd("1200.00"),
        "orders": (ORDER,),
        "rule": "above_limit",
        "requested_at": NOON,
        "expires_at": NOON + EXPIRES_AFTER,
    }
    return Approval(state=state, **{**known, **fields})


def on_branch(*sections: PolicySection | ApprovalSection) -> CaseState:
    return case(*sections, branch="b1")


@pytest.mark.parametrize(
    ("row", "by", "note"),
    [
        (on_record(APPROVED, decided_by="ann", note="ok", approved_by=("ann",)), ("ann",), "ok"),
        (on_record(APPROVED, decided_by="bob", approved_by=("ann", "bob")), ("ann", "bob"), ""),
        # Who has approved it may have lost the right since; it was their decision.
        (on_record(APPROVED, decided_by="ann", approved_by=()), ("ann",), ""),
        (on_record(DENIED, decided_by="ann", note="no"), ("ann",), "no"),
        (on_record(EXPIRED), (), ""),
    ],
    ids=["approved", "by two", "by one who left", "denied", "expired"],
)
@pytest.mark.parametrize("state", [on_branch(POLICY, ASKED), on_branch(POLICY)])
def test_what_was_decided_over_the_same_facts_is_adopted(
    row: Approval, by: tuple[str, ...], note: str, state: CaseState
) -> None:
    found = assumed(state, row)

    assert found == ASKED.model_copy(update={"state": row.state, "decided_by": by, "note": note})


@pytest.mark.parametrize(
    "row",
    [
        None,
        on_record(ApprovalState.PENDING),
        on_record(ApprovalState.PENDING, approved_by=("ann",), needed=2),
        on_record(ApprovalState.VOID, decided_by="ann", note="no"),
        # The branch's policy was edited: nobody has ever decided about that.
        on_record(DENIED, decided_by="ann", amount=usd("1300.00")),
        on_record(APPROVED, decided_by="ann", orders=(ORDER, ORDER)),
    ],
)
@pytest.mark.parametrize("votes", [(), ("ann",)])
def test_what_nobody_has_decided_is_assumed_to_be_approved_by_nobody(
    row: Approval | None, votes: tuple[str, ...]
) -> None:
    found = assumed(on_branch(POLICY, ASKED.model_copy(update={"decided_by": votes})), row)

    assert found == ASKED.model_copy(update={"state": APPROVED, "note": ASSUMED})


def test_a_fork_between_a_decision_and_its_request_asks_what_would_have_been_asked() -> None:
    found = assumed(on_branch(POLICY), None)

    assert found == ASKED.model_copy(update={"state": APPROVED, "note": ASSUMED, "digest": ""})


def test_a_request_about_what_was_decided_before_is_not_mistaken_for_it() -> None:
    """The customer said more: the policy decided anew, and the fork came before it asked anew."""
    earlier = ASKED.model_copy(
        update={"approval_id": "apr_0", "amount": usd("600.00"), "digest": "d0"}
    )
    state = on_branch(earlier, POLICY)

    assert assumed(state, on_record(DENIED)) == ASKED.model_copy(update={"state": DENIED})
    assert assumed(state, None).approval_id == "apr_1"
    assert assumed(state, None).amount == usd("1200.00")


def test_an_edited_sum_is_what_is_assumed_to_be_approved() -> None:
    smaller = order(amount=usd("40.00"))
    edited = POLICY.model_copy(update={"amount": usd("40.00"), "orders": (smaller,)})

    found = assumed(on_branch(edited, ASKED), on_record(DENIED, decided_by="ann"))

    assert (found.state, found.amount, found.note) == (APPROVED, usd("40.00"), ASSUMED)
    assert found.decided_by == ()


def test_a_policy_that_was_edited_to_ask_has_no_request_and_is_approved_all_the_same() -> None:
    edited = POLICY.model_copy(update={"approval_id": None})

    assert assumed(on_branch(edited), None).state is APPROVED


@pytest.mark.parametrize(
    "state",
    [
        on_branch(),
        on_branch(ASKED),
        on_branch(POLICY.model_copy(update={"approval_required": False})),
        on_branch(POLICY.model_copy(update={"amount": None})),
    ],
)
def test_a_policy_that_asks_nobody_has_nothing_to_assume(state: CaseState) -> None:
    with pytest.raises(InvalidInput, match="policy: asks nobody"):
        assumed(state, None)


def line(**fields: Any) -> Branch:
    known: dict[str, Any] = {
        "case_id": "case_1",
        "branch": "main",
        "parent_branch": None,
        "parent_version": None,
        "status": CaseStatus.RECEIVED,
        "version": 1,
        "base_version": None,
        "forked_by": None,
        "opened_at": NOON,
        "closed_at": None,
        "promoted_at": None,
    }
    return Branch(**{**known, **fields})


def test_a_branch_says_where_it_began_and_the_main_line_began_nowhere() -> None:
    forked = line(branch="b2", parent_branch="b.1", parent_version=7)

    assert (forked.is_main, forked.parent_checkpoint_id) == (False, "b.1.7")
    assert (line().is_main, line().parent_checkpoint_id) == (True, None)


def test_a_name_that_is_taken_is_a_conflict() -> None:
    taken: Conflict = BranchExists("case_1", "b1")

    assert str(taken) == "Case case_1 has a branch b1 already."
    assert not taken.retryable
