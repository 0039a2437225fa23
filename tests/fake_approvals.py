"""Approval requests in memory."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cases.approvals import EXPIRES_AFTER, Approval, ApprovalSection, ApprovalState
from cases.errors import ApprovalNotFound
from cases.state import CaseState, StepUpdate
from tests.fakes import FakeStore
from tests.samples import usd


@dataclass
class FakeApprovals:
    """One request's row. It closes into the store's section, as the real one does."""

    store: FakeStore
    state: ApprovalState = ApprovalState.PENDING
    reminded: bool = False

    async def read(self, approval_id: str) -> Approval:
        for case in self.store.cases.values():
            section = case.get(ApprovalSection)
            if section and section.approval_id == approval_id:
                now = datetime.now(UTC)
                return Approval(
                    approval_id=approval_id,
                    case_id=case.case_id,
                    branch=case.branch,
                    digest=section.digest,
                    amount=usd("612.00"),
                    orders=(),
                    rule="above_limit",
                    state=self.state,
                    requested_at=now,
                    expires_at=now + EXPIRES_AFTER,
                )
        raise ApprovalNotFound(approval_id)

    async def close(self, state: CaseState, approval_id: str, end: ApprovalState) -> ApprovalState:
        section = state.get(ApprovalSection)
        if section is None or section.approval_id != approval_id:
            raise ApprovalNotFound(state.case_id)
        if self.state is ApprovalState.PENDING:
            self.state = end
            ended = section.model_copy(update={"state": end})
            step = StepUpdate(
                step=f"{end}:{approval_id}", owner=ended.owner, sections={ended.name: ended}
            )
            await self.store.commit(state.case_id, state.branch, [step], state.expected("approval"))
        return self.state

    async def remind(self, approval_id: str) -> bool:
        assert approval_id
        first, self.reminded = not self.reminded, True
        return first
