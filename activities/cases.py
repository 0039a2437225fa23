"""Short reads and writes of a case's record, run as local activities."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from activities.errors import temporal_failures, this_activity
from activities.record import CaseRecord, whole
from activities.steps import CaseRef, StepReport
from cases.errors import CaseClosed
from cases.ids import check_identifier
from cases.ports import Journal
from cases.records import Record, digest_of
from cases.state import CaseStatus, Message, message_step
from cases.text import clean_text


class OpenTask(Record):
    """Put a case on record whose text came with the workflow's start."""

    ref: CaseRef
    text: str
    opened_by: str = ""


class MessageTask(Record):
    """Put a message on record whose text came with a signal; its place makes a repeat harmless."""

    ref: CaseRef
    text: str
    place: int


class Resumed(Record):
    """Where a case stands, for a run that goes on with it."""

    customer_id: str
    status: CaseStatus
    report: StepReport


class CaseActivities:
    """Open a case, and take a message."""

    def __init__(self, record: CaseRecord, journal: Journal) -> None:
        self._record = record
        self._journal = journal

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [self.open_case, self.resume_branch, self.record_message]

    @activity.defn
    async def open_case(self, task: OpenTask) -> None:
        """Record the request; raises InvalidInput or CaseAlreadyExists."""
        async with temporal_failures():
            check_identifier(task.ref.case_id, "case_id")
            check_identifier(task.ref.customer_id, "customer_id")
            text = clean_text(task.text)
            message = Message(message_id="request", text=text, received_at=datetime.now(UTC))
            if task.opened_by:
                check_identifier(task.opened_by, "opened_by")
            await self._record.open(task.ref, message, opened_by=task.opened_by)

    @activity.defn
    async def resume_branch(self, ref: CaseRef) -> Resumed:
        """What a branch begins with: all that was done before its fork, as edited."""
        async with temporal_failures():
            state = (await self._record.load_dossier(ref, limit_days=1)).state
            await self._record.renew(state)
            return Resumed(customer_id=state.customer_id, status=state.status, report=whole(state))

    @activity.defn
    async def record_message(self, task: MessageTask) -> StepReport:
        """Record what the customer added, or, once the case is closed, that it came too late."""
        async with temporal_failures():
            state = await self._record.load(task.ref)
            text = clean_text(task.text)
            name = f"signal-{task.place}-{digest_of(text)[:12]}"
            message = Message(message_id=name, text=text, received_at=datetime.now(UTC))
            try:
                return await self._record.commit(state, [message_step(message)])
            except CaseClosed as closed:
                case = (task.ref.case_id, task.ref.branch)
                note = (*case, "intake", "message_too_late", closed.status)
                await self._journal.note(*note, once=this_activity())
                return StepReport(done=())
