"""What the customer and their account are told: reset mail, its revocation, unlock, answer."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.errors import heartbeating, temporal_failures
from activities.ledger import EffectReport, LedgeredEffects
from activities.steps import CaseRef
from cases.accounts import AccountSection
from cases.effects import (
    Compensation,
    EffectIntent,
    EffectState,
    Outcome,
    ResolutionSection,
    answer_intent,
    reset_intent,
    revoke_intent,
    unlock_intent,
)
from cases.ports import Accounts, Mail, Tasks
from cases.records import Record
from cases.state import CaseStatus, StepUpdate

_GAVE_UP = Outcome(state=EffectState.UNKNOWN, code="gave_up")


class ResetTask(Record):
    """Send the reset mail that the account agent found due."""

    ref: CaseRef
    account: AccountSection
    expected_version: int = 0
    step: str = "reset_mail"


class RevokeTask(Record):
    """Take the reset mail's link back."""

    ref: CaseRef
    account: AccountSection
    expected_version: int = 0
    step: str = "reset_revoked"


class AnswerTask(Record):
    """Send the answer and close the case as it says."""

    ref: CaseRef
    resolution: ResolutionSection
    expected_version: int = 0
    step: str = "answer"


class EffectActivities:
    """Reset mail, revocation, unlock and answer."""

    def __init__(
        self, effects: LedgeredEffects, accounts: Accounts, mail: Mail, tasks: Tasks
    ) -> None:
        self._effects = effects
        self._accounts = accounts
        self._mail = mail
        self._tasks = tasks

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [
            self.send_reset_mail,
            self.give_up_reset_mail,
            self.revoke_reset,
            self.unlock_account,
            self.send_answer,
            self.give_up_answer,
        ]

    @activity.defn
    async def send_reset_mail(self, task: ResetTask) -> EffectReport:
        """Send one reset mail; how it is taken back is on record before."""
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._effects.once(
                _reset_intent(task.ref), self._accounts.send_reset_mail, self._accounts.look_up
            )
            return await self._settle_account(task, intent, outcome, _sent(task, outcome))

    @activity.defn
    async def give_up_reset_mail(self, task: ResetTask) -> EffectReport:
        """Nothing told whether the reset mail was sent."""
        async with temporal_failures():
            intent = _reset_intent(task.ref)
            return await self._settle_account(task, intent, _GAVE_UP, _sent(task, _GAVE_UP))

    @activity.defn
    async def revoke_reset(self, task: RevokeTask) -> EffectReport:
        """Make the reset mail's link useless: the compensation of a mail that may have gone out."""
        ref = task.ref
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._effects.once(
                revoke_intent(case_id=ref.case_id, branch=ref.branch, customer_id=ref.customer_id),
                self._accounts.revoke_reset,
                self._accounts.look_up,
            )
            report = await self._settle_account(task, intent, outcome, _revoked(task, outcome))
            problem = "" if outcome.state.done else str(outcome.code)
            await self._tasks.end_compensation(
                ref.case_id, ref.branch, Compensation.REVOKE_RESET, problem
            )
            return report

    @activity.defn
    async def unlock_account(self, ref: CaseRef) -> EffectReport:
        """Unlock the customer's account, as a person decided."""
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._effects.once(
                unlock_intent(case_id=ref.case_id, branch=ref.branch, customer_id=ref.customer_id),
                self._accounts.unlock,
                self._accounts.look_up,
            )
            return await self._effects.settle_alone(intent, outcome)

    @activity.defn
    async def send_answer(self, task: AnswerTask) -> EffectReport:
        """Send the one answer; with it the case is closed."""
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._effects.once(
                _answer_intent(task), self._mail.send_answer, self._mail.look_up
            )
            return await self._settle_answer(task, intent, outcome)

    @activity.defn
    async def give_up_answer(self, task: AnswerTask) -> EffectReport:
        """Nothing told whether the answer was sent: the case closes in a person's hands."""
        async with temporal_failures():
            return await self._settle_answer(task, _answer_intent(task), _GAVE_UP)

    async def _settle_account(
        self,
        task: ResetTask | RevokeTask,
        intent: EffectIntent,
        outcome: Outcome,
        section: AccountSection,
    ) -> EffectReport:
        update = StepUpdate(
            step=task.step,
            owner=section.owner,
            sections={section.name: section},
            reason=f"{intent.kind}: {outcome.state}",
        )
        expected = {section.name: task.expected_version}
        return await self._effects.settle(task.ref, intent, outcome, update, expected)

    async def _settle_answer(
        self, task: AnswerTask, intent: EffectIntent, outcome: Outcome
    ) -> EffectReport:
        sent = outcome.state.done
        closes_as = task.resolution.closes_as if sent else CaseStatus.MANUAL_REVIEW
        section = task.resolution.model_copy(
            update={"answer": intent.content, "sent": sent, "closes_as": closes_as}
        )
        update = StepUpdate(
            step=task.step,
            owner=section.owner,
            sections={section.name: section},
            status=closes_as,
            reason=f"answer: {outcome.state}; closed as {closes_as}",
        )
        expected = {section.name: task.expected_version}
        return await self._effects.settle(task.ref, intent, outcome, update, expected)


def _sent(task: ResetTask, outcome: Outcome) -> AccountSection:
    sent = outcome.state.done
    status = "reset_sent" if sent else "reset_not_sent"
    return task.account.model_copy(update={"reset_sent": sent, "status": status})


def _revoked(task: RevokeTask, outcome: Outcome) -> AccountSection:
    if not outcome.state.done:
        return task.account
    return task.account.model_copy(update={"reset_sent": False, "status": "reset_revoked"})


def _reset_intent(ref: CaseRef) -> EffectIntent:
    intent = reset_intent(case_id=ref.case_id, branch=ref.branch, customer_id=ref.customer_id)
    return intent.model_copy(update={"compensation": Compensation.REVOKE_RESET})


def _answer_intent(task: AnswerTask) -> EffectIntent:
    return answer_intent(
        case_id=task.ref.case_id,
        branch=task.ref.branch,
        customer_id=task.ref.customer_id,
        text=task.resolution.answer,
    )
