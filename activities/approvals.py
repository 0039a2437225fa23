"""Look after a case's approval request: the row decides, and these read, end and note it."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.errors import temporal_failures, this_activity
from activities.record import CaseRecord, reported
from activities.steps import CaseRef, StepReport
from cases.approvals import Approval, ApprovalSection, ApprovalState
from cases.branches import assumed
from cases.effects import Compensation
from cases.errors import ApprovalNotFound
from cases.ids import MAIN
from cases.messages import ApprovalNotice
from cases.ports import Approvals, Journal, Tasks
from cases.records import Record
from cases.state import StepUpdate
from cases.tasks import TaskKind
from cases.text import shorten


class ApprovalTask(Record):
    """Look at, remind of, or end an approval request."""

    ref: CaseRef
    #: Empty for the request that is open on record, whichever it is.
    approval_id: str
    end: ApprovalState = ApprovalState.EXPIRED


class StrayNotice(Record):
    """A signal that fits no request that waits: early, late, repeated or forged."""

    ref: CaseRef
    notice: ApprovalNotice


class FailedCompensation(Record):
    """What could not be undone, and why."""

    ref: CaseRef
    compensation: str
    problem: str


class ApprovalActivities:
    """Read a decision, end a request, remind of it; run as local activities."""

    def __init__(
        self, record: CaseRecord, approvals: Approvals, journal: Journal, tasks: Tasks
    ) -> None:
        self._record = record
        self._approvals = approvals
        self._journal = journal
        self._tasks = tasks

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [
            self.read_decision,
            self.close_approval,
            self.assume_decision,
            self.remind_approvers,
            self.note_stray,
            self.hand_over,
        ]

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
            if task.ref.branch != MAIN:
                asked = ()  # the request is the main line's
            for approval_id in asked:
                await self._approvals.close(dossier.state, approval_id, task.end)
            if task.end is ApprovalState.VOID:
                await self._tasks.end_compensation(
                    task.ref.case_id, task.ref.branch, Compensation.WITHDRAW_REQUEST, ""
                )
            dossier = await self._record.load_dossier(task.ref, limit_days=1)
            await self._record.renew(dossier.state)
            return reported(dossier.state, {ApprovalSection.name: "approval"})

    @activity.defn
    async def assume_decision(self, task: ApprovalTask) -> StepReport:
        """On a branch nobody is asked: what was decided over the same facts counts, or yes."""
        async with temporal_failures():
            state = (await self._record.load_dossier(task.ref, limit_days=1)).state
            step = f"{ApprovalSection.name}:{task.approval_id}:assumed"
            if step in state.completed_steps:
                return reported(state, {ApprovalSection.name: step})
            section = assumed(state, await self._on_record(task.approval_id))
            update = StepUpdate(
                step=step,
                owner=section.owner,
                sections={section.name: section},
                reason=f"assumed: {section.state}",
            )
            return await self._record.commit(state, [update])

    async def _on_record(self, approval_id: str) -> Approval | None:
        try:
            return await self._approvals.read(approval_id)
        except ApprovalNotFound:
            return None

    @activity.defn
    async def remind_approvers(self, task: ApprovalTask) -> bool:
        """Note on record that the request still waits; once."""
        async with temporal_failures():
            return await self._approvals.remind(task.approval_id)

    @activity.defn
    async def note_stray(self, task: StrayNotice) -> None:
        """Note on record that a signal came that does nothing."""
        async with temporal_failures():
            said = f"{shorten(task.notice.approval_id, 40)} {shorten(task.notice.verdict, 20)}"
            await self._journal.note(
                *(task.ref.case_id, task.ref.branch, "signal", "decision_ignored", said.strip()),
                once=this_activity(),
            )

    @activity.defn
    async def hand_over(self, task: FailedCompensation) -> None:
        """Make a person's task of what could not be undone."""
        async with temporal_failures():
            case = (task.ref.case_id, task.ref.branch)
            problem = shorten(task.problem, 200)
            if not await self._tasks.end_compensation(*case, task.compensation, problem):
                await self._tasks.open(
                    TaskKind.COMPENSATION_FAILED,
                    f"{'/'.join(case)}/{task.compensation}",
                    problem,
                    case=case,
                )
