"""The life of a support case, from the customer's message to the one answer."""

import asyncio
from collections import deque
from typing import Any

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.agents import investigators
    from activities.agents.policy import PolicyAgent
    from activities.agents.response import ResponseAgent
    from activities.agents.understanding import UnderstandingAgent
    from activities.effects import AnswerTask, ResetTask
    from activities.refunds import FACTS_CHANGED, RefundTask
    from cases.accounts import AccountSection
    from cases.approvals import ApprovalSection, ApprovalState, Verdict
    from cases.billing import BillingSection, RefundOrder
    from cases.effects import Compensation, RefundSection, ResolutionSection
    from cases.ids import parse_workflow_id
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
    from workflows.approval_desk import ApprovalDesk
    from workflows.case_file import CaseFile
    from workflows.saga import Saga, see_through
    from workflows.steps import Steps
    from workflows.story import TimelineEntry

#: An approval whose facts changed is asked for anew so often; then a person takes the case over.
_MAX_RENEWALS = 3


@workflow.defn(name="SupportCase", versioning_behavior=VersioningBehavior.PINNED)
class SupportCaseWorkflow:
    """One support case, on the build that began it: it may wait for days. Its id is the case's."""

    @workflow.init
    def __init__(self, request: CaseRequest | None = None) -> None:
        # Signals may be handled before `run` begins: all they touch is made here.
        case_id, branch = parse_workflow_id(workflow.info().workflow_id)
        request = request or CaseRequest()
        self._file = CaseFile(case_id, request.customer_id, branch)
        self._steps = Steps(self._file)
        self._saga = Saga(self._steps.hand_over)
        self._desk = ApprovalDesk(self._steps)
        self._inbox: deque[CustomerMessage] = deque()
        self._texts = 0
        self._rounds = 0
        self._renewals = 0
        #: What an agent has examined and must examine again.
        self._outdated: tuple[str, ...] = ()
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
                # The reconciler finds the run, and hands the case to a person.
                await see_through(self._undo())
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
        if self._file.state.status.closed:
            return  # a branch of a case that had ended
        while True:
            await self._investigate()
            await self._decide()
            if await self._settle() and not self._inbox:
                await self._write_answer()
                if not self._inbox:
                    break
        await self._send_answer()
        await self._clear()

    async def _open(self, request: CaseRequest) -> None:
        """Put a case on record that came with its text; a branch goes on with its parent's past."""
        if self._file.on_branch:
            await self._steps.resume()
            self._rounds, self._texts = self._file.rounds_done(), self._file.texts_recorded()
        elif request.text:
            await self._steps.open(request.text, request.opened_by)

    async def _investigate(self) -> None:
        """Understand what was said; then let the agents that it needs look side by side."""
        self._file.stand_at(CaseStatus.INVESTIGATING)
        await self._record_messages()
        self._rounds += 1
        await self._steps.ask(UnderstandingAgent, self._rounds)
        self._file.has_read()
        agents = investigators()
        topics = (*self._outdated, *topics_to_examine(self._file.state, agents))
        self._outdated = ()
        await _side_by_side(*(self._steps.ask(agents[topic], self._rounds) for topic in topics))

    async def _decide(self) -> None:
        """Let the policy decide. Above the limit it asks a person, which a cancel takes back."""
        self._saga.register(Compensation.WITHDRAW_REQUEST, self._steps.withdraw_request)
        await self._steps.ask(PolicyAgent, self._rounds)

    async def _settle(self) -> bool:
        """Send the reset mail and pay, side by side; False if the customer said more meanwhile."""
        _, settled = await _side_by_side(self._reset_login(), self._refund())
        return bool(settled)

    async def _reset_login(self) -> None:
        account = self._file.state.get(AccountSection)
        if account and account.reset_needed and not self._file.has_done("reset_mail"):
            self._saga.register(Compensation.REVOKE_RESET, self._steps.revoke_reset)
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
        """Wait until a person decides, time is up, or more is said; False to look into it again."""
        if self._file.on_branch:
            await self._steps.assume_decision(policy)
        while (approval := self._file.section(ApprovalSection)).state is ApprovalState.PENDING:
            self._file.stand_at(CaseStatus.AWAITING_APPROVAL)
            asked = self._file.newest_step("approval_request")
            notice = await self._desk.wait(approval.approval_id, asked, lambda: bool(self._inbox))
            if notice is None and self._inbox:
                return False
            if notice is None:
                await self._steps.expire_request(approval.approval_id)
                continue
            # 👉 The notice may be forged. The claim of the refund checks the row, and takes it.
            refused = notice.verdict != Verdict.APPROVED or await self._pay(policy, approval)
            if not refused:
                return True
            await self._steps.read_decision(approval.approval_id)
            if refused in FACTS_CHANGED:
                return self._gives_up_renewing()
        if approval.state is ApprovalState.APPROVED:
            return await self._pay(policy, approval) is None or self._gives_up_renewing()
        return True

    def _gives_up_renewing(self) -> bool:
        """What was approved is no longer so: it is looked into again, but not for ever."""
        self._renewals += 1
        self._outdated = (BillingSection.name,)
        return self._renewals > _MAX_RENEWALS

    async def _pay(self, policy: PolicySection, approval: ApprovalSection | None) -> str | None:
        """Issue the refunds, each exactly once. What a person's approval does not cover, if any."""
        for order in policy.orders:
            task = self._refund_task(order, policy, approval)
            if self._file.has_done(task.step):
                continue
            paid = await self._steps.refund(task)
            if paid.report is None:
                return paid.outcome.code or "not_approved"
            if approval:
                self._file.assume(approval.model_copy(update={"state": ApprovalState.APPROVED}))
        self._file.stand_at(CaseStatus.SETTLING)
        return None

    def _refund_task(
        self, order: RefundOrder, policy: PolicySection, approval: ApprovalSection | None
    ) -> RefundTask:
        return RefundTask(
            ref=self._file.ref(),
            order=order,
            so_far=self._file.state.get(RefundSection),
            expected_version=self._file.expects(RefundSection),
            approval_id=approval.approval_id if approval else None,
            approval_digest=approval.digest if approval else None,
            policy_version=policy.policy_version,
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
        if not self._file.has_done("answer"):
            await self._open(request)
            if self._file.state.status.closed:
                return  # a branch of a case that had ended
            await self._undo()
            await self._write_answer(cancelled=True)
            await self._record_messages()
            await self._send_answer()
        await self._clear()

    async def _undo(self) -> None:
        """Undo what can be undone, unless the refund may have moved money: then only forward."""
        # It may have moved in the very step that the cancel met: the record of that step tells.
        if not self._file.money_moved():
            await self._saga.compensate()

    async def _clear(self) -> None:
        """Put on record what came too late to be looked into."""
        await self._record_messages()
        await self._desk.clear()

    async def _record_messages(self) -> None:
        """Put texts on record that came by signal; those of `casekeeper say` are there already."""
        while self._inbox:
            message = self._inbox[0]
            if message.text:
                await self._steps.record_message(message.text, self._texts + 1)
                self._texts += 1
            else:
                self._file.hear_of(message.version)
            # 👉 Only now: a cancel may have met the step, and then it is made again.
            self._inbox.popleft()

    # 👉 A handler that cannot be called with what was sent wedges the case for good: none, null,
    # and too many inputs included. So each takes anything, and its model makes the best of it.
    @workflow.signal(description="A person decided (ApprovalNotice); the row says what.")
    def approval_decided(self, *given: Any) -> None:
        self._desk.hear(ApprovalNotice.of(*given))

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
