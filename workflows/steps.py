"""How the case's steps are run: each is an activity whose report goes into the case file."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from activities.agent_steps import AgentActivities, AgentFailure, AgentTask
from activities.agents.base import Agent
from activities.approvals import (
    ApprovalActivities,
    ApprovalTask,
    FailedCompensation,
    StrayNotice,
)
from activities.cases import CaseActivities, MessageTask, OpenTask
from activities.effects import AnswerTask, EffectActivities, ResetTask, RevokeTask
from activities.ledger import EffectReport
from activities.options import AGENT, COMPENSATION, EFFECT, RECORD, Limits
from activities.refunds import RefundActivities, RefundTask
from activities.steps import StepReport
from cases.accounts import AccountSection
from cases.approvals import ApprovalSection, ApprovalState
from cases.messages import ApprovalNotice
from cases.policy import PolicySection
from workflows.case_file import CaseFile
from workflows.saga import see_through

EffectTask = RefundTask | ResetTask | AnswerTask
EffectMethod = Callable[[Any, Any], Coroutine[Any, Any, EffectReport]]


class Steps:
    """Runs activities for one case and takes over what they report."""

    def __init__(self, file: CaseFile) -> None:
        self._file = file

    async def open(self, text: str, opened_by: str) -> None:
        """Put a case on record that came with its text."""
        await workflow.execute_local_activity_method(
            CaseActivities.open_case,
            OpenTask(ref=self._file.ref(), text=text, opened_by=opened_by),
            **RECORD.local(),
            summary="Put the case on record",
        )

    async def resume(self) -> None:
        """Begin a branch with what was done before its fork."""
        resumed = await workflow.execute_local_activity_method(
            CaseActivities.resume_branch,
            self._file.ref(),
            **RECORD.local(),
            summary="Read what was done before the fork",
        )
        self._file.resume(resumed)

    async def ask(self, agent: type[Agent[Any]], number: int, *, cancelled: bool = False) -> None:
        """Let one agent judge. If it fails for good, the case goes on with that on record."""
        task = AgentTask(
            ref=self._file.ref(), agent=agent.name(), round=number, cancelled=cancelled
        )
        if self._file.has_done(task.step):
            return  # before the branch began
        # 👉 An agent that goes on unseen after a cancel could still commit: to a closed case.
        report, stopped = await see_through(self._judge(agent, task), stop=True)
        self._file.apply(report)
        if stopped:
            raise asyncio.CancelledError

    async def _judge(self, agent: type[Agent[Any]], task: AgentTask) -> StepReport:
        try:
            report: StepReport = await workflow.execute_activity(
                agent.activity_name(),
                task,
                result_type=StepReport,
                **AGENT.normal(),
                summary=agent.summary,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            report = await workflow.execute_local_activity_method(
                AgentActivities.record_failure,
                AgentFailure(task=task, error=str(error.cause)),
                **RECORD.local(),
                summary=f"The {agent.name()} agent gave up",
            )
        return report

    async def refund(self, task: RefundTask) -> EffectReport:
        """Pay one duplicate back. Without a report the record shows no approval."""
        return await self._effect(
            RefundActivities.issue_refund,
            RefundActivities.give_up_refund,
            task,
            f"Refund {task.order.amount}",
        )

    async def send_reset_mail(self, task: ResetTask) -> EffectReport:
        return await self._effect(
            EffectActivities.send_reset_mail,
            EffectActivities.give_up_reset_mail,
            task,
            "Send a password reset mail",
        )

    async def revoke_reset(self) -> None:
        """Take the reset mail's link back: also that of a mail of which no report reached us."""
        task = RevokeTask(
            ref=self._file.ref(),
            account=self._file.section(AccountSection),
            expected_version=self._file.expects(AccountSection),
        )
        effect = await workflow.execute_activity_method(
            EffectActivities.revoke_reset,
            task,
            **COMPENSATION.normal(),
            summary="Take the password reset back",
        )
        if effect.report:
            self._file.apply(effect.report)

    async def send_answer(self, task: AnswerTask) -> EffectReport:
        return await self._effect(
            EffectActivities.send_answer,
            EffectActivities.give_up_answer,
            task,
            "Send the answer",
        )

    async def record_message(self, text: str, place: int) -> None:
        """Put a text on record that came by signal; one that cannot be used changes nothing."""
        try:
            report = await workflow.execute_local_activity_method(
                CaseActivities.record_message,
                MessageTask(ref=self._file.ref(), text=text, place=place),
                **RECORD.local(),
                summary="Put a message on record",
            )
        # 👉 A local activity fails with the bare ApplicationError; only a normal one's is wrapped.
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("an unusable message was ignored")
            return
        self._file.apply(report)

    async def read_decision(self, approval_id: str) -> None:
        """Take over what the record says of the request."""
        report = await workflow.execute_local_activity_method(
            ApprovalActivities.read_decision,
            ApprovalTask(ref=self._file.ref(), approval_id=approval_id),
            **RECORD.local(),
            summary="Read the decision",
        )
        self._file.apply(report)

    async def expire_request(self, approval_id: str) -> None:
        """Time is up; a decision that came first stands and is taken over."""
        await self._end_request(approval_id, ApprovalState.EXPIRED, RECORD)

    async def assume_decision(self, policy: PolicySection) -> None:
        """On a branch nobody is asked: what is open, or was not asked yet, is assumed."""
        approval = self._file.state.get(ApprovalSection)
        about_this = approval and approval.approval_id == policy.approval_id
        if approval and about_this and approval.state is not ApprovalState.PENDING:
            return
        report = await workflow.execute_local_activity_method(
            ApprovalActivities.assume_decision,
            ApprovalTask(ref=self._file.ref(), approval_id=policy.approval_id or ""),
            **RECORD.local(),
            summary="Assume a decision: nobody is asked on a branch",
        )
        self._file.apply(report)

    async def withdraw_request(self) -> None:
        """Withdraw what is open on record: also a request of which no report reached us."""
        await self._end_request("", ApprovalState.VOID, COMPENSATION)

    async def _end_request(self, approval_id: str, end: ApprovalState, limits: Limits) -> None:
        report = await workflow.execute_local_activity_method(
            ApprovalActivities.close_approval,
            ApprovalTask(ref=self._file.ref(), approval_id=approval_id, end=end),
            **limits.local(),
            summary=f"The approval request is {end}",
        )
        self._file.apply(report)

    async def note_stray(self, notice: ApprovalNotice) -> None:
        """Put on record that a signal fitted no request that waits."""
        await workflow.execute_local_activity_method(
            ApprovalActivities.note_stray,
            StrayNotice(ref=self._file.ref(), notice=notice),
            **RECORD.local(),
            summary="A signal that fits no open request",
        )

    async def hand_over(self, compensation: str, problem: str) -> None:
        """A compensation failed for good: a person must do it."""
        await workflow.execute_local_activity_method(
            ApprovalActivities.hand_over,
            FailedCompensation(ref=self._file.ref(), compensation=compensation, problem=problem),
            **RECORD.local(),
            summary=f"A person must do it: {compensation}",
        )

    async def remind_approvers(self, approval_id: str) -> None:
        await workflow.execute_local_activity_method(
            ApprovalActivities.remind_approvers,
            ApprovalTask(ref=self._file.ref(), approval_id=approval_id),
            **RECORD.local(),
            summary="Remind the approvers",
        )

    async def _effect(
        self, perform: EffectMethod, give_up: EffectMethod, task: EffectTask, summary: str
    ) -> EffectReport:
        """Run an effect to its end, also when the case is cancelled meanwhile."""

        async def run() -> EffectReport:
            try:
                return await workflow.execute_activity_method(
                    perform, task, **EFFECT.normal(), summary=summary
                )
            except ActivityError:
                return await workflow.execute_local_activity_method(
                    give_up, task, **RECORD.local(), summary=f"{summary}: outcome unknown"
                )

        effect, cancelled = await see_through(run())
        if effect.report:
            self._file.apply(effect.report)
        if cancelled:
            raise asyncio.CancelledError
        return effect
