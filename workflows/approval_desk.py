"""Where a case waits for a person: notices arrive here, and the clock of each request runs here."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from cases.approvals import EXPIRES_AFTER, REMIND_AFTER
    from cases.messages import ApprovalNotice
    from workflows.steps import Steps

#: So many signals that fit no request are put on record; more of them is noise that someone makes.
_STRAYS_NOTED = 20


class ApprovalDesk:
    """Waits without holding a worker, and takes only what belongs to the request that waits."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._notices: deque[ApprovalNotice] = deque()
        self._overdue: set[str] = set()
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._strays = 0
        #: When each request that is not measured yet began to wait.
        self._since: dict[str, datetime] = {}

    def hear(self, notice: ApprovalNotice) -> None:
        """A signal says that someone decided; it may come before any request, or be forged."""
        self._notices.append(notice)

    async def wait(
        self, approval_id: str, asked: str, interrupted: Callable[[], bool]
    ) -> ApprovalNotice | None:
        """The next notice of this request; None when interrupted or when time is up.

        `asked` names the step that asked: the same request, asked again, has its time anew.
        """
        if asked not in self._clocks:
            # It is left to run when the decision comes: cancelling it would cost an event, and
            # the end of the run drops it for nothing.
            self._clocks[asked] = asyncio.create_task(self._watch_clock(approval_id, asked))
            self._since[asked] = workflow.now()
        while True:
            await workflow.wait_condition(
                lambda: bool(self._notices or interrupted() or asked in self._overdue)
            )
            if not self._notices:
                if asked in self._overdue:
                    self._measure(asked, "expired")
                return None
            if self._notices[0].approval_id == approval_id:
                self._measure(asked, "decided")
                return self._notices.popleft()
            await self._note_first()

    def _measure(self, asked: str, end: str) -> None:
        """Into the metrics, once for each request; a replay measures nothing."""
        if since := self._since.pop(asked, None):
            meter = workflow.metric_meter().with_additional_attributes({"end": end})
            wait = meter.create_histogram_timedelta(
                "casekeeper_approval_wait", "How long requests waited for a person"
            )
            wait.record(workflow.now() - since)

    async def clear(self) -> None:
        """Put on record what came and was not waited for: early, late, repeated or forged."""
        while self._notices:
            await self._note_first()

    async def _note_first(self) -> None:
        if self._strays < _STRAYS_NOTED:
            await self._steps.note_stray(self._notices[0])
        # 👉 Only now: a cancel may have met the step, and then it is made again.
        self._strays += 1
        self._notices.popleft()

    async def _watch_clock(self, approval_id: str, asked: str) -> None:
        expires_at = workflow.now() + EXPIRES_AFTER
        await workflow.sleep(REMIND_AFTER, summary="Remind the approvers")
        await self._steps.remind_approvers(approval_id)
        # No worker may have run for a while: what is left counts from the request, not from now.
        left = max(expires_at - workflow.now(), timedelta(0))
        await workflow.sleep(left, summary="The approval request expires")
        self._overdue.add(asked)
