"""Look after a case's approval request: the row decides, and these read, end and note it."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.errors import temporal_failures
from activities.record import CaseRecord, reported
from activities.steps import CaseRef, StepReport
from cases.approvals import ApprovalSection, ApprovalState
from cases.ports import Approvals
from cases.records import Record


class ApprovalTask(Record):
    """Look at, remind of, or end an approval request."""

    ref: CaseRef
    #: Empty for the request that is open on record, whichever it is.
    approval_id: str
    end: ApprovalState = ApprovalState.EXPIRED


class ApprovalActivities:
    """Read a decision, end a request, remind of it; run as local activities."""

    def __init__(self, record: CaseRecord, approvals: Approvals) -> None:
        self._record = record
        self._approvals = approvals

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [self.read_decision, self.close_approval, self.remind_approvers]

    @activity.defn
    async def read_decision(self, task: ApprovalTask) -> StepReport:
        """What the row says of the request: the signal that woke us is only a hint."""
        async with temporal_failures():
            dossier = await self._record.load_dossier(task.ref, limit_days=1)
            return reported(dossier.state, {ApprovalSection.name: "approval"})

    @activity.defn
    async def close_approval(self, task: ApprovalTask) -> StepReport:
        """Expire or void an open request; a decision that came first stands."""
        async with temporal_failures():
            dossier = await self._record.load_dossier(task.ref, limit_days=1)
            asked = (task.approval_id,) if task.approval_id else dossier.state.pending_approvals
            for approval_id in asked:
                await self._approvals.close(dossier.state, approval_id, task.end)
            dossier = await self._record.load_dossier(task.ref, limit_days=1)
            await self._record.renew(dossier.state)
            return reported(dossier.state, {ApprovalSection.name: "approval"})

    @activity.defn
    async def remind_approvers(self, task: ApprovalTask) -> bool:
        """Note on record that the request still waits; once."""
        async with temporal_failures():
            return await self._approvals.remind(task.approval_id)
