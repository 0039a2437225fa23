"""The activities that change the world: each claims, performs and settles one effect.

This is the one place from which money moves.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.errors import heartbeating, temporal_failures
from activities.record import CaseRecord
from activities.steps import CaseRef, StepReport
from cases.accounts import AccountSection
from cases.billing import RefundOrder
from cases.effects import (
    EffectIntent,
    EffectState,
    Outcome,
    RefundItem,
    RefundSection,
    ResolutionSection,
    answer_intent,
    refund_intent,
    reset_intent,
)
from cases.policy import RefundPolicy
from cases.ports import Accounts, EffectLedger, Mail, Payments
from cases.records import Record
from cases.state import CaseStatus, StepUpdate

LookUp = Callable[[EffectIntent], Awaitable[Outcome | None]]
Perform = Callable[[EffectIntent], Awaitable[Outcome]]


class RefundTask(Record):
    """Refund one order: with an approval id as a person approved it, else within the limit."""

    ref: CaseRef
    order: RefundOrder
    #: The refunds of this case that were settled before, and the version that section has.
    so_far: RefundSection | None = None
    expected_version: int = 0
    approval_id: str | None = None
    approval_digest: str | None = None

    @property
    def step(self) -> str:
        return f"refund:{self.order.anchor_charge}:{self.order.slot}"


class ResetTask(Record):
    """Send the reset mail that the account agent found due."""

    ref: CaseRef
    account: AccountSection
    expected_version: int = 0
    step: str = "reset_mail"


class AnswerTask(Record):
    """Send the answer and close the case as it says."""

    ref: CaseRef
    resolution: ResolutionSection
    expected_version: int = 0
    step: str = "answer"


class EffectReport(Record):
    """What became of an effect; without a report nothing was written to the case."""

    outcome: Outcome
    report: StepReport | None = None


class EffectActivities:
    """Refund, reset mail and answer."""

    def __init__(  # the four outside systems that an effect can touch, and what governs them
        self,
        record: CaseRecord,
        ledger: EffectLedger,
        *,
        payments: Payments,
        accounts: Accounts,
        mail: Mail,
        policy: RefundPolicy,
    ) -> None:
        self._record = record
        self._ledger = ledger
        self._payments = payments
        self._accounts = accounts
        self._mail = mail
        self._policy = policy

    @activity.defn
    async def issue_refund(self, task: RefundTask) -> EffectReport:
        """Pay one duplicate back, exactly once, under its business key."""
        intent = self._refund_intent(task)
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._once(
                intent, self._payments.refund, self._payments.look_up
            )
            if outcome.code == "not_approved":
                return EffectReport(outcome=outcome)
            return await self._settle_refund(task, intent, outcome)

    @activity.defn
    async def send_reset_mail(self, task: ResetTask) -> EffectReport:
        """Send one reset mail."""
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._once(
                _reset_intent(task.ref), self._accounts.send_reset_mail
            )
            return await self._settle_reset(task, intent, outcome)

    @activity.defn
    async def send_answer(self, task: AnswerTask) -> EffectReport:
        """Send the one answer; with it the case is closed."""
        async with temporal_failures(), heartbeating():
            intent, outcome = await self._once(_answer_intent(task), self._mail.send_answer)
            return await self._settle_answer(task, intent, outcome)

    @activity.defn
    async def give_up_refund(self, task: RefundTask) -> EffectReport:
        """Nothing told whether the refund was made: say so on record, for a person to find out."""
        async with temporal_failures():
            return await self._settle_refund(task, self._refund_intent(task), _GAVE_UP)

    @activity.defn
    async def give_up_reset_mail(self, task: ResetTask) -> EffectReport:
        """Nothing told whether the reset mail was sent."""
        async with temporal_failures():
            return await self._settle_reset(task, _reset_intent(task.ref), _GAVE_UP)

    @activity.defn
    async def give_up_answer(self, task: AnswerTask) -> EffectReport:
        """Nothing told whether the answer was sent: the case closes in a person's hands."""
        async with temporal_failures():
            return await self._settle_answer(task, _answer_intent(task), _GAVE_UP)

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [
            self.issue_refund,
            self.send_reset_mail,
            self.send_answer,
            self.give_up_refund,
            self.give_up_reset_mail,
            self.give_up_answer,
        ]

    def _refund_intent(self, task: RefundTask) -> EffectIntent:
        intent = refund_intent(
            task.order,
            case_id=task.ref.case_id,
            branch=task.ref.branch,
            customer_id=task.ref.customer_id,
            provider_account=self._payments.account,
        )
        limit = self._policy.limit(task.order.amount.currency)
        return intent.model_copy(
            update={
                "approval_id": task.approval_id,
                "approval_digest": task.approval_digest,
                "limit_minor": limit.amount_minor if limit else None,
                "limit_days": self._policy.limit_days,
            }
        )

    async def _once(
        self, intent: EffectIntent, perform: Perform, look_up: LookUp | None = None
    ) -> tuple[EffectIntent, Outcome]:
        """Claim, then perform what was claimed, unless it was done or must not be.

        Raises a retryable failure for an unknown outcome: Temporal calls again, and the next
        attempt looks before it sends.
        """
        intent, claim = await self._ledger.claim(intent)
        if claim.outcome.settled:
            return intent, claim.outcome
        if claim.earlier_attempts and look_up:
            found = await look_up(intent)
            if found:
                return intent, found
        outcome = await perform(intent)
        if outcome.state is EffectState.UNKNOWN:
            raise ApplicationError(
                f"The outcome of {intent.kind} is unknown: {outcome.code}.", type="OutcomeUnknown"
            )
        return intent, outcome

    async def _settle_refund(
        self, task: RefundTask, intent: EffectIntent, outcome: Outcome
    ) -> EffectReport:
        order = task.order
        item = RefundItem(
            charge_id=order.charge_id,
            amount=order.amount,
            state=outcome.state,
            receipt=outcome.receipt,
            code=outcome.code,
        )
        before = task.so_far.items if task.so_far else ()
        section = RefundSection.of((*before, item))
        update = StepUpdate(
            step=task.step,
            owner=section.owner,
            sections={section.name: section},
            reason=f"{order.amount} of {order.charge_id}: {outcome.state}",
        )
        expected = {section.name: task.expected_version}
        return await self._settle(task.ref, intent, outcome, update, expected)

    async def _settle_reset(
        self, task: ResetTask, intent: EffectIntent, outcome: Outcome
    ) -> EffectReport:
        sent = outcome.state is EffectState.SUCCEEDED
        section = task.account.model_copy(
            update={"reset_sent": sent, "status": "reset_sent" if sent else "reset_not_sent"}
        )
        update = StepUpdate(
            step=task.step,
            owner=section.owner,
            sections={section.name: section},
            reason=f"reset mail: {outcome.state}",
        )
        expected = {section.name: task.expected_version}
        return await self._settle(task.ref, intent, outcome, update, expected)

    async def _settle_answer(
        self, task: AnswerTask, intent: EffectIntent, outcome: Outcome
    ) -> EffectReport:
        sent = outcome.state is EffectState.SUCCEEDED
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
        return await self._settle(task.ref, intent, outcome, update, expected)

    async def _settle(
        self,
        ref: CaseRef,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: dict[str, int],
    ) -> EffectReport:
        committed = await self._ledger.settle(intent, outcome, update, expected)
        report = await self._record.project(ref.case_id, ref.branch, [update], committed)
        return EffectReport(outcome=outcome, report=report)


_GAVE_UP = Outcome(state=EffectState.UNKNOWN, code="gave_up")


def _reset_intent(ref: CaseRef) -> EffectIntent:
    return reset_intent(case_id=ref.case_id, branch=ref.branch, customer_id=ref.customer_id)


def _answer_intent(task: AnswerTask) -> EffectIntent:
    return answer_intent(
        case_id=task.ref.case_id,
        branch=task.ref.branch,
        customer_id=task.ref.customer_id,
        text=task.resolution.answer,
    )
