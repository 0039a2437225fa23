"""Approvals: what a person is asked, and what binds the answer to exactly that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from cases.billing import RefundOrder
from cases.errors import StaleRequest
from cases.money import Money
from cases.records import Record, digest_of
from cases.schema import Upgrade
from cases.sections import Section

#: Nobody decided by then: the request is denied and a person takes the case over.
EXPIRES_AFTER = timedelta(hours=72)
#: Approvers are reminded once, after this.
REMIND_AFTER = timedelta(hours=24)


class ApprovalState(StrEnum):
    """Where a request stands. Only the first is open."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    #: The facts changed, the case was cancelled or nobody needs to decide any more.
    VOID = "void"


class Verdict(StrEnum):
    """What a person can say to a request."""

    APPROVED = "approved"
    DENIED = "denied"


class ApprovalRequest(Record):
    """A refund that a person must decide, with the digest of everything they are shown."""

    approval_id: str
    digest: str
    amount: Money
    orders: tuple[RefundOrder, ...]
    policy_version: int
    rule: str
    #: How many different people must approve.
    needed: int = 1


def request_approval(
    *,
    case_id: str,
    branch: str,
    amount: Money,
    orders: tuple[RefundOrder, ...],
    policy: tuple[int, str],
    evidence: str,
    needed: int = 1,
) -> ApprovalRequest:
    """The request for a refund; the same facts give the same request, other facts another.

    `policy` is the version and the rule that asks; `evidence` the digest of the findings.
    """
    version, rule = policy
    shown = {
        "action": "refund",
        "case": case_id,
        "branch": branch,
        "orders": [order.model_dump(mode="json") for order in orders],
        "amount": amount.model_dump(mode="json"),
        "policy": version,
        "evidence": evidence,
    }
    if needed > 1:
        shown["needed"] = needed
    digest = digest_of(shown)
    return ApprovalRequest(
        approval_id=f"apr_{digest[:24]}",
        digest=digest,
        amount=amount,
        orders=orders,
        policy_version=version,
        rule=rule,
        needed=needed,
    )


class Approval(Record):
    """An approval request as it is on record."""

    approval_id: str
    case_id: str
    branch: str
    digest: str
    amount: Money
    orders: tuple[RefundOrder, ...]
    rule: str
    state: ApprovalState
    requested_at: datetime
    expires_at: datetime
    #: How many different people must approve, and who has done so and still may.
    needed: int = 1
    approved_by: tuple[str, ...] = ()
    #: How often it has waited: what was voided can be asked again, and earlier approvals are gone.
    asked: int = 1
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    consumed_by: tuple[str, ...] = ()
    #: The branch that it is about, and who asked for its promotion: they may not approve it.
    promotes: str | None = None
    requested_by: str = ""

    def after(self, verdict: Verdict, name: str) -> tuple[ApprovalState, tuple[str, ...]]:
        """Where it stands once that person has said so too, and by whom it came there."""
        if verdict is Verdict.DENIED:
            return ApprovalState.DENIED, (name,)
        approved_by = tuple(dict.fromkeys([*self.approved_by, name]))
        enough = len(approved_by) >= self.needed
        return ApprovalState.APPROVED if enough else ApprovalState.PENDING, approved_by


class VoidRequest(StaleRequest):
    """The facts changed since it was made, or the case was cancelled."""

    def __init__(self, case_id: str) -> None:
        Exception.__init__(
            self, f"That approval request of case {case_id} is void: what it asked is out of date."
        )


def _several_may_decide(body: dict[str, Any]) -> dict[str, Any]:
    """Version 2: above a second limit two people decide, so `decided_by` became a list."""
    name = body.get("decided_by")
    return {**body, "decided_by": [] if name is None else [name]}


class ApprovalSection(Section):
    """The request of this case and its decision."""

    name: ClassVar[str] = "approval"
    owner: ClassVar[str] = "approval"
    upgrades: ClassVar[Mapping[int, Upgrade]] = {2: _several_may_decide}

    approval_id: str
    state: ApprovalState
    amount: Money
    digest: str
    #: Who decided; while it still waits, who of several has approved so far.
    decided_by: tuple[str, ...] = ()
    note: str = ""
