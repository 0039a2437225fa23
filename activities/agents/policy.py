"""The policy agent: applies the refund policy to what the others found. No model decides here."""

from collections.abc import Mapping
from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.accounts import AccountSection
from cases.approvals import ApprovalRequest, ApprovalSection, ApprovalState, request_approval
from cases.billing import BillingSection
from cases.effects import RefundSection, duplicate_group
from cases.ids import MAIN
from cases.policy import Decision, Facts, PolicySection, RefundPolicy, decide
from cases.records import digest_of
from cases.sections import Section
from cases.state import CaseState, CaseStatus, StepUpdate
from cases.understanding import UnderstandingSection


class PolicyAgent(Agent[PolicySection]):
    section: ClassVar[type[Section]] = PolicySection
    summary: ClassVar[str] = "Decide by the refund policy"
    reads_durable: ClassVar[bool] = True

    async def process(self, assignment: Assignment) -> Finding[PolicySection]:
        """Decide from the durable record; above the limit, ask a person in the same commit."""
        case = assignment.case
        facts = Facts(
            understanding=case.get(UnderstandingSection) or UnderstandingSection(),
            billing=case.get(BillingSection),
            account=case.get(AccountSection),
            refunded_lately=assignment.dossier.refunded_lately,
            came_to_nothing=_by_order(
                case.get(BillingSection),
                assignment.dossier.came_to_nothing,
                self.tools.payments.account,
            ),
        )
        section = decide(facts, self.tools.policy)
        request = _request(case, section, self.tools.policy)
        if request:
            section = section.model_copy(update={"approval_id": request.approval_id})
        return Finding(
            section,
            reason=section.reason,
            provenance={"rule": section.rule, "policy": str(section.policy_version)},
            status=_status(section),
            sets_off=_approval_step(case, request, assignment.round),
        )

    def failed(self, assignment: Assignment, error: str) -> PolicySection:
        """Without a decision nothing is paid and a person takes over."""
        del assignment
        return PolicySection(
            status="failed",
            error=error,
            decision=Decision.NEEDS_HUMAN,
            rule="policy_failed",
            reason="The policy could not be applied.",
            policy_version=self.tools.policy.version,
        )


def _request(
    case: CaseState, section: PolicySection, policy: RefundPolicy
) -> ApprovalRequest | None:
    if not section.approval_required or section.amount is None:
        return None
    billing = case.get(BillingSection)
    return request_approval(
        case_id=case.case_id,
        # A branch asks what the main line would: the same facts are the same request.
        branch=MAIN,
        amount=section.amount,
        orders=section.orders,
        policy=(section.policy_version, section.rule),
        evidence=digest_of(billing.model_dump(mode="json") if billing else None),
        needed=policy.approvers_needed(section.amount),
    )


def _by_order(
    billing: BillingSection | None, by_group: Mapping[str, int], account: str
) -> dict[tuple[str, int], int]:
    """The ledger names a duplicate group with its account; the policy knows orders only."""
    orders = billing.orders if billing else ()
    return {
        (order.anchor_charge, order.slot): by_group.get(duplicate_group(account, order), 0)
        for order in orders
    }


def _still_stands(case: CaseState, approval: ApprovalSection) -> bool:
    """Whether the request is open, or approved and nothing was paid by it."""
    unused = approval.state is ApprovalState.APPROVED and case.get(RefundSection) is None
    return approval.state is ApprovalState.PENDING or unused


def _status(section: PolicySection) -> CaseStatus | None:
    if section.approval_required:
        return CaseStatus.AWAITING_APPROVAL
    return CaseStatus.SETTLING if section.decision is Decision.REFUND else None


def _approval_step(
    case: CaseState, request: ApprovalRequest | None, number: int
) -> StepUpdate | None:
    """Ask, keep asking the same, or withdraw: the request follows the decision."""
    before = case.get(ApprovalSection)
    step = f"approval_request:{number}"
    if request is None:
        if before is None or not _still_stands(case, before):
            return None
        void = before.model_copy(update={"state": ApprovalState.VOID})
        return StepUpdate(
            step=step, owner=void.owner, sections={void.name: void}, withdraws_approval=True
        )
    if before and before.approval_id == request.approval_id:
        return None
    asked = ApprovalSection(
        approval_id=request.approval_id,
        state=ApprovalState.PENDING,
        amount=request.amount,
        digest=request.digest,
    )
    return StepUpdate(
        step=step,
        owner=asked.owner,
        sections={asked.name: asked},
        approval_request=request if case.branch == MAIN else None,
        reason=f"{request.rule}: {request.amount}",
    )
