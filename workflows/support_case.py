"""The life of a support case, from the customer's message to the one answer."""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.agents import investigators
    from activities.agents.policy import PolicyAgent
    from activities.agents.response import ResponseAgent
    from activities.agents.understanding import UnderstandingAgent
    from activities.effects import AnswerTask, RefundTask, ResetTask
    from cases.accounts import AccountSection
    from cases.approvals import (
        EXPIRES_AFTER,
        REMIND_AFTER,
        ApprovalSection,
        ApprovalState,
        Verdict,
    )
    from cases.billing import RefundOrder
    from cases.effects import EffectState, RefundSection, ResolutionSection
    from cases.messages import (
        ApprovalNotice,
        CancelRequest,
        CaseOutcome,
        CaseRequest,
        CustomerMessage,
    )
    from cases.policy import PolicySection
    from cases.routing import AfterPolicy, after_policy, topics_to_examine
    from cases.state import CaseStatus
    from workflows.case_file import CaseFile
    from workflows.saga import Saga, see_through
    from workflows.steps import Steps
    from workflows.story import TimelineEntry


@workflow.defn(name="SupportCase")
class SupportCaseWorkflow:
    """One support case. Its workflow id is the case id."""

    @workflow.init
    def __init__(self, request: CaseRequest | None = None) -> None:
        # Signals may be handled before `run` begins: all they touch is made here.
        case_id = workflow.info().workflow_id
        request = request or CaseRequest()
        self._file = CaseFile(case_id, request.customer_id, request.branch)
        self._steps = Steps(self._file)
        self._saga = Saga()
        self._inbox: deque[CustomerMessage] = deque()
        self._notices: deque[ApprovalNotice] = deque()
        self._texts = 0
        self._rounds = 0
        self._overdue: set[str] = set()
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: CancelRequest | None = None
        self._life: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, request: CaseRequest | None = None) -> CaseOutcome:
        """Live the case; when it is cancelled, undo what can be undone and say so."""
        if request is None or not request.customer_id:
            raise ApplicationError(
                "customer_id: is missing", type="InvalidInput", non_retryable=True
            )
        self._life = asyncio.create_task(self._live(request))
        if self._cancelled:
            self._life.cancel()
        try:
            await self._life
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            await see_through(self._stop(request))
            if workflow.cancellation_reason() is not None:
                raise
        await workflow.wait_condition(workflow.all_handlers_finished)
        state = self._file.state
        return CaseOutcome(case_id=state.case_id, status=state.status, version=state.version)

    async def _live(self, request: CaseRequest) -> None:
        """The case's life. What the customer adds on the way is looked into before the answer."""
        await self._open(request)
        while True:
            await self._investigate()
            await self._decide()
            if await self._settle() and not self._inbox:
                await self._write_answer()
                if not self._inbox:
                    break
        await self._send_answer()

    async def _open(self, request: CaseRequest) -> None:
        """Put a case on record that came with its text; a starter has done so before."""
        if request.text:
            await self._steps.open(request.text)

    async def _investigate(self) -> None:
        """Understand what was said; then let the agents that it needs look side by side."""
        self._file.stand_at(CaseStatus.INVESTIGATING)
        await self._record_messages()
        self._rounds += 1
        await self._steps.ask(UnderstandingAgent, self._rounds)
        self._file.has_read()
        agents = investigators()
        topics = topics_to_examine(self._file.state, agents)
        await _side_by_side(*(self._steps.ask(agents[topic], self._rounds) for topic in topics))

    async def _decide(self) -> None:
        """Let the policy decide. Above the limit it asks a person, which a cancel takes back."""
        self._saga.register("withdraw the approval request", self._steps.withdraw_request)
        await self._steps.ask(PolicyAgent, self._rounds)

    async def _settle(self) -> bool:
        """Send the reset mail and pay, side by side; False if the customer said more meanwhile."""
        _, settled = await _side_by_side(self._reset_login(), self._refund())
        return bool(settled)

    async def _reset_login(self) -> None:
        account = self._file.state.get(AccountSection)
        if account and account.reset_needed and not self._file.has_done("reset_mail"):
            expected = self._file.expects(AccountSection)
            await self._steps.send_reset_mail(
                ResetTask(ref=self._file.ref(), account=account, expected_version=expected)
            )

    async def _refund(self) -> bool:
        """Pay what the policy allows, now or once a person has approved."""
        policy = self._file.section(PolicySection)
        match after_policy(policy):
            case AfterPolicy.ANSWER:
                return True
            case AfterPolicy.PAY:
                self._file.stand_at(CaseStatus.SETTLING)
                await self._pay(policy, None)
                return True
            case AfterPolicy.ASK_A_PERSON:
                return await self._pay_when_approved(policy)

    async def _pay_when_approved(self, policy: PolicySection) -> bool:
        """Wait without holding a worker until a person decides, time is up, or more is said."""
        while (approval := self._file.section(ApprovalSection)).state is ApprovalState.PENDING:
            self._file.stand_at(CaseStatus.AWAITING_APPROVAL)
            notice = await self._notice(approval.approval_id)
            if notice is None and self._inbox:
                return False
            if notice is None:
                await self._steps.expire_request(approval.approval_id)
            # 👉 The notice may be forged. The claim of the refund checks the row, and takes it.
            elif notice.verdict == Verdict.APPROVED and await self._pay(policy, approval):
                return True
            else:
                await self._steps.read_decision(approval.approval_id)
        if approval.state is ApprovalState.APPROVED:
            await self._pay(policy, approval)
        return True

    async def _notice(self, approval_id: str) -> ApprovalNotice | None:
        """The next notice of this request; None when the customer said more or time is up."""
        if approval_id not in self._clocks:
            # It is left to run when the decision comes: cancelling it would cost an event, and
            # the end of the run drops it for nothing.
            self._clocks[approval_id] = asyncio.create_task(self._watch_clock(approval_id))
        while True:
            await workflow.wait_condition(
                lambda: bool(self._notices or self._inbox or approval_id in self._overdue)
            )
            if not self._notices:
                return None
            notice = self._notices.popleft()
            if notice.approval_id == approval_id:
                return notice

    async def _watch_clock(self, approval_id: str) -> None:
        expires_at = workflow.now() + EXPIRES_AFTER
        await workflow.sleep(REMIND_AFTER, summary="Remind the approvers")
        await self._steps.remind_approvers(approval_id)
        # No worker may have run for a while: what is left counts from the request, not from now.
        left = max(expires_at - workflow.now(), timedelta(0))
        await workflow.sleep(left, summary="The approval request expires")
        self._overdue.add(approval_id)

    async def _pay(self, policy: PolicySection, approval: ApprovalSection | None) -> bool:
        """Issue the refunds, each exactly once. False: no person has approved them on record."""
        for order in policy.orders:
            task = self._refund_task(order, approval)
            if self._file.has_done(task.step):
                continue
            paid = await self._steps.refund(task)
            if paid.report is None:
                return False
            if approval:
                self._file.assume(approval.model_copy(update={"state": ApprovalState.APPROVED}))
            if paid.outcome.state is not EffectState.REFUSED:
                self._saga.pivot()
        self._file.stand_at(CaseStatus.SETTLING)
        return True

    def _refund_task(self, order: RefundOrder, approval: ApprovalSection | None) -> RefundTask:
        return RefundTask(
            ref=self._file.ref(),
            order=order,
            so_far=self._file.state.get(RefundSection),
            expected_version=self._file.expects(RefundSection),
            approval_id=approval.approval_id if approval else None,
            approval_digest=approval.digest if approval else None,
        )

    async def _write_answer(self, *, cancelled: bool = False) -> None:
        await self._steps.ask(ResponseAgent, self._rounds, cancelled=cancelled)

    async def _send_answer(self) -> None:
        """Send the one answer; its commit closes the case."""
        await self._steps.send_answer(
            AnswerTask(
                ref=self._file.ref(),
                resolution=self._file.section(ResolutionSection),
                expected_version=self._file.expects(ResolutionSection),
            )
        )
        status = self._file.section(ResolutionSection).closes_as
        self._file.stand_at(status)
        workflow.logger.info("the case is closed", extra={"status": status.value})

    async def _stop(self, request: CaseRequest) -> None:
        """Cancelled: undo what can be undone, newest first, and tell the customer."""
        if self._file.has_done("answer"):
            return
        await self._open(request)
        await self._saga.compensate()
        await self._write_answer(cancelled=True)
        await self._send_answer()

    async def _record_messages(self) -> None:
        """Put texts on record that came by signal; those of `casekeeper say` are there already."""
        while self._inbox:
            message = self._inbox.popleft()
            if message.text:
                self._texts += 1
                await self._steps.record_message(message.text, self._texts)
            else:
                self._file.hear_of(message.version)

    # 👉 A handler that cannot be called with what was sent wedges the case for good: none, null,
    # and too many inputs included. So each takes anything, and its model makes the best of it.
    @workflow.signal(description="A person decided (ApprovalNotice); the row says what.")
    def approval_decided(self, *given: Any) -> None:
        self._notices.append(ApprovalNotice.of(*given))

    @workflow.signal(description="The customer said more (CustomerMessage).")
    def customer_said(self, *given: Any) -> None:
        self._inbox.append(CustomerMessage.of(*given))

    @workflow.signal(description="Stop working on the case (CancelRequest).")
    def cancel_case(self, *given: Any) -> None:
        self._cancelled = CancelRequest.of(*given)
        if self._life:
            self._life.cancel()

    # 👉 A query may look but not touch: it leaves no trace in history.
    @workflow.query(description="The state of the case, without the customer's texts.")
    def case_state(self) -> dict[str, Any]:
        return self._file.as_json()

    @workflow.query(description="Approval requests that wait for a person.")
    def pending_approvals(self) -> list[str]:
        return list(self._file.state.pending_approvals)

    @workflow.query(description="What happened so far, oldest first.")
    def timeline(self) -> list[TimelineEntry]:
        return self._file.timeline


async def _side_by_side(*steps: "asyncio.Future[Any] | Any") -> list[Any]:
    """Run all to their ends, then raise the first failure: none is left running behind."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
