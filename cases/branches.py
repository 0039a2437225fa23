"""Branches: what else might have been done from a checkpoint of a case on.

A branch has its own workflow, versions and audit trail; what was before its fork is its parent's.
Nothing that it does leaves: `stores/functions/branches.sql` answers its effects.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from cases.approvals import Approval, ApprovalSection, ApprovalState
from cases.effects import EffectIntent, EffectKind, EffectState
from cases.errors import Conflict, InvalidInput
from cases.ids import MAIN, checkpoint_id
from cases.money import Money
from cases.policy import PolicySection
from cases.records import Record
from cases.sections import SectionMap
from cases.state import CaseState, CaseStatus

#: What stands in the note of an approval that nobody gave.
ASSUMED = "Assumed on a branch: a person decides when it is promoted."


class EffectMode(StrEnum):
    """How an effect of a branch is answered.

    `adopted`: the main line did just that, and its receipt stands. `conflict`: the main line did
    it otherwise, another amount for instance. `simulated`: nobody has done it.
    """

    ADOPTED = "adopted"
    CONFLICT = "conflict"
    SIMULATED = "simulated"


class Fork(Record):
    """A branch to be begun after a checkpoint, with what is to be otherwise on it."""

    case_id: str
    branch: str
    parent_branch: str
    parent_version: int
    by: str
    sections: SectionMap = Field(default_factory=dict)
    #: Other words of the customer than those that opened the case.
    request: str | None = None


class Branch(Record):
    """A line of a case; the main line has no parent."""

    case_id: str
    branch: str
    parent_branch: str | None
    parent_version: int | None
    status: CaseStatus
    version: int
    #: Where the main line stood when the branch was made; once it stands elsewhere it is stale.
    base_version: int | None
    forked_by: str | None
    opened_at: datetime
    closed_at: datetime | None
    promoted_at: datetime | None

    @property
    def is_main(self) -> bool:
        return self.branch == MAIN

    @property
    def parent_checkpoint_id(self) -> str | None:
        """The checkpoint after which it begins."""
        if self.parent_branch is None or self.parent_version is None:
            return None
        return checkpoint_id(self.parent_branch, self.parent_version)


class BranchEffect(Record):
    """What a branch wants done outside, and how that was answered."""

    key: str
    kind: EffectKind
    mode: EffectMode
    #: Where the branch stood when it asked; 0 for what was done before it began.
    version: int
    amount: Money | None
    charge_id: str | None
    state: EffectState
    receipt: str | None
    code: str | None
    intent: EffectIntent
    at: datetime


class BranchExists(Conflict):
    """The case has a branch of that name."""

    def __init__(self, case_id: str, branch: str) -> None:
        super().__init__(f"Case {case_id} has a branch {branch} already.")


def assumed(state: CaseState, on_record: Approval | None) -> ApprovalSection:
    """What a branch goes on with instead of asking: what was decided over the same facts, or yes.

    `on_record` is the main line's request, if it made the same one; once the branch's policy was
    edited it may be about another sum. Raises InvalidInput where that policy asks nobody.
    """
    policy, asked = state.get(PolicySection), state.get(ApprovalSection)
    if policy is None or not policy.approval_required or policy.amount is None:
        raise InvalidInput("policy", "asks nobody to approve")
    digest = on_record.digest if on_record else ""
    if asked and asked.approval_id == policy.approval_id:
        digest = asked.digest  # else the fork came between the decision and its request
    section = ApprovalSection(
        approval_id=policy.approval_id or "",
        state=ApprovalState.APPROVED,
        amount=policy.amount,
        digest=digest,
        note=ASSUMED,
    )
    if on_record is None or on_record.state not in _DECIDED or not _same(policy, on_record):
        return section
    by = on_record.approved_by or tuple(filter(None, [on_record.decided_by]))
    then = {"state": on_record.state, "decided_by": by, "note": on_record.note}
    return section.model_copy(update=then)


def _same(policy: PolicySection, on_record: Approval) -> bool:
    return (policy.amount, policy.orders) == (on_record.amount, on_record.orders)


_DECIDED = (ApprovalState.APPROVED, ApprovalState.DENIED, ApprovalState.EXPIRED)
