"""Approvals: what a person is asked, and what binds the answer to exactly that."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from cases.billing import RefundOrder
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


def request_approval(
    *,
    case_id: str,
    branch: str,
    amount: Money,
    orders: tuple[RefundOrder, ...],
    policy: tuple[int, str],
    evidence: str,
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
    digest = digest_of(shown)
    return ApprovalRequest(
        approval_id=f"apr_{digest[:24]}",
        digest=digest,
        amount=amount,
        orders=orders,
        policy_version=version,
        rule=rule,
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
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    consumed_by: tuple[str, ...] = ()


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
    decided_by: tuple[str, ...] = ()
    note: str = ""
