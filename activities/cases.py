"""Short reads and writes of a case's record, run as local activities."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from activities.errors import temporal_failures
from activities.record import CaseRecord, reported
from activities.steps import CaseRef, StepReport
from cases.approvals import ApprovalSection, ApprovalState
from cases.ids import check_identifier
from cases.ports import Approvals
from cases.records import Record, digest_of
from cases.state import Message, StepUpdate
from cases.text import clean_text


class OpenTask(Record):
    """Put a case on record whose text came with the workflow's start."""

    ref: CaseRef
    text: str


class MessageTask(Record):
    """Put a message on record whose text came with a signal; its place makes a repeat harmless."""

    ref: CaseRef
    text: str
    place: int


class ApprovalTask(Record):
    """Look at, remind of, or end an approval request."""

    ref: CaseRef
    #: Empty for the request that is open on record, whichever it is.
    approval_id: str
    end: ApprovalState = ApprovalState.EXPIRED


class CaseActivities:
    """Open a case, take a message, and look after its approval request."""

    def __init__(self, record: CaseRecord, approvals: Approvals) -> None:
        self._record = record
        self._approvals = approvals

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [
            self.open_case,
            self.record_message,
            self.read_decision,
            self.close_approval,
            self.remind_approvers,
        ]

    @activity.defn
    async def open_case(self, task: OpenTask) -> None:
        """Record the request; raises InvalidInput or CaseAlreadyExists."""
        async with temporal_failures():
            check_identifier(task.ref.case_id, "case_id")
            check_identifier(task.ref.customer_id, "customer_id")
            text = clean_text(task.text)
            message = Message(message_id="request", text=text, received_at=datetime.now(UTC))
            await self._record.open(task.ref, message)

    @activity.defn
    async def record_message(self, task: MessageTask) -> StepReport:
        """Record what the customer added; an unusable text is noted and changes nothing."""
        async with temporal_failures():
            state = await self._record.load(task.ref)
            text = clean_text(task.text)
            name = f"signal-{task.place}-{digest_of(text)[:12]}"
            message = Message(message_id=name, text=text, received_at=datetime.now(UTC))
            step = StepUpdate(step=f"message:{name}", owner="intake", messages=(message,))
            return await self._record.commit(state, [step])

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
            return reported(dossier.state, {ApprovalSection.name: "approval"})

    @activity.defn
    async def remind_approvers(self, task: ApprovalTask) -> bool:
        """Note on record that the request still waits; once."""
        async with temporal_failures():
            return await self._approvals.remind(task.approval_id)
