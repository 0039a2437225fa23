"""A branch becomes the case's main line, once a person has approved what that costs."""

from typing import Any

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.options import EFFECT, RECORD
    from activities.promotion import (
        AskedPromotion,
        Begun,
        CloseTask,
        Promoted,
        PromotedEffect,
        PromotionActivities,
        PromotionTask,
    )
    from cases.approvals import ApprovalState
    from cases.ids import MAIN
    from cases.messages import ApprovalNotice
    from cases.promotion import PlanLine, PromotionRefused
    from cases.records import Record
    from cases.state import CaseStatus
    from workflows.approval_desk import ApprovalDesk
    from workflows.case_file import CaseFile
    from workflows.saga import see_through
    from workflows.steps import Steps


class PromotionResult(Record):
    """How it ended: "promoted" and the case's status, else why it was not."""

    state: str
    status: CaseStatus | None = None
    reason: str = ""


# Pinned, as a case is: it waits for a person, and pays.
@workflow.defn(name="Promote", versioning_behavior=VersioningBehavior.PINNED)
class PromoteWorkflow:
    """One promotion. Its workflow id is `cases.ids.promotion_of` the case, and the branch."""

    @workflow.init
    def __init__(self, task: PromotionTask) -> None:
        self._task = task
        self._desk = ApprovalDesk(Steps(CaseFile(task.case_id, task.customer_id, MAIN)))
        self._asked_anew = False

    @workflow.run
    async def run(self, task: PromotionTask) -> PromotionResult:
        """Wait for the decision, where one is needed; then pay and send what the branch wants."""
        asked = await self._until_decided() if task.approval_id else None
        if asked and asked.state is not ApprovalState.APPROVED:
            return PromotionResult(state=asked.state)
        try:
            begun = await workflow.execute_activity_method(
                PromotionActivities.begin_promotion,
                task,
                **EFFECT.normal(),
                summary=f"Begin to promote branch {task.branch}",
            )
        except ActivityError as error:
            return await self._refused(asked, error)
        # 👉 The case can do nothing else from here on: whoever cancels, it is brought to its end.
        promoted, _ = await see_through(self._carry_out(begun))
        await self._desk.clear()
        return PromotionResult(state="promoted", status=promoted.status)

    async def _until_decided(self) -> AskedPromotion | None:
        """The request once it does not wait any more. The row decides; a signal only wakes."""
        while (asked := await self._read()) and asked.state is ApprovalState.PENDING:
            occasion = f"{asked.approval_id}.{asked.asked}"
            notice = await self._desk.wait(asked.approval_id, occasion, lambda: self._asked_anew)
            if notice is None and not self._asked_anew:
                await self._close(asked, ApprovalState.EXPIRED, "nobody decided")
            self._asked_anew = False
        return asked

    async def _read(self) -> AskedPromotion | None:
        return await workflow.execute_local_activity_method(
            PromotionActivities.read_promotion,
            self._task,
            **RECORD.local(),
            summary="Read the decision",
        )

    async def _close(self, asked: AskedPromotion, end: ApprovalState, why: str) -> None:
        await workflow.execute_local_activity_method(
            PromotionActivities.close_promotion,
            CloseTask(approval_id=asked.approval_id, end=end, why=why),
            **RECORD.local(),
            summary=f"The request is {end}",
        )

    async def _refused(self, asked: AskedPromotion | None, error: ActivityError) -> PromotionResult:
        """What was approved cannot be done any more: the approval is void, and nothing changes."""
        cause = error.cause
        if not isinstance(cause, ApplicationError) or cause.type != PromotionRefused.__name__:
            raise error
        if asked:
            await self._close(asked, ApprovalState.VOID, cause.message)
        return PromotionResult(state="refused", reason=cause.message)

    async def _carry_out(self, begun: Begun) -> Promoted:
        for line in begun.lines:
            await self._do(line)
        return await workflow.execute_activity_method(
            PromotionActivities.complete_promotion,
            self._task,
            **EFFECT.normal(),
            summary=f"Make branch {self._task.branch} the main line",
        )

    async def _do(self, line: PlanLine) -> None:
        effect = PromotedEffect(task=self._task, line=line)
        what = f"{line.kind.value.replace('_', ' ')} {line.difference or ''}".strip()
        try:
            await workflow.execute_activity_method(
                PromotionActivities.carry_out, effect, **EFFECT.normal(), summary=what
            )
        except ActivityError:
            await workflow.execute_local_activity_method(
                PromotionActivities.give_up_promoted,
                effect,
                **RECORD.local(),
                summary=f"{what}: outcome unknown",
            )

    @workflow.signal(description="A person decided (ApprovalNotice); the row says what.")
    def approval_decided(self, *given: Any) -> None:
        self._desk.hear(ApprovalNotice.of(*given))

    @workflow.signal(description="The promotion was asked for again: look at the request.")
    def asked_again(self, *_: Any) -> None:
        self._asked_anew = True
