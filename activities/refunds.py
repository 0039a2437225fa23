"""Refunds. This is the one place from which money moves."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.errors import heartbeating, temporal_failures
from activities.ledger import EffectReport, LedgeredEffects
from activities.steps import CaseRef
from cases.billing import RefundOrder, examine_charges
from cases.effects import (
    EffectIntent,
    EffectState,
    Outcome,
    RefundItem,
    RefundSection,
    refund_intent,
)
from cases.ids import MAIN
from cases.policy import RefundPolicy
from cases.ports import Payments, Tasks
from cases.records import Record
from cases.state import StepUpdate
from cases.tasks import TaskKind

#: Why an approval no longer covers what was approved: it must be asked for anew.
POLICY_CHANGED, EVIDENCE_CHANGED = FACTS_CHANGED = ("policy_changed", "evidence_changed")

_GAVE_UP = Outcome(state=EffectState.UNKNOWN, code="gave_up")


class RefundTask(Record):
    """Refund one order: with an approval id as a person approved it, else within the limit."""

    ref: CaseRef
    order: RefundOrder
    #: The refunds of this case that were settled before, and the version that section has.
    so_far: RefundSection | None = None
    expected_version: int = 0
    approval_id: str | None = None
    approval_digest: str | None = None
    #: Of the policy that asked for the approval.
    policy_version: int | None = None

    @property
    def step(self) -> str:
        return f"refund:{self.order.anchor_charge}:{self.order.slot}"


class RefundActivities:
    """Pay back, exactly once."""

    def __init__(
        self, effects: LedgeredEffects, payments: Payments, tasks: Tasks, policy: RefundPolicy
    ) -> None:
        self._effects = effects
        self._payments = payments
        self._tasks = tasks
        self._policy = policy

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [self.issue_refund, self.give_up_refund]

    @activity.defn
    async def issue_refund(self, task: RefundTask) -> EffectReport:
        """Pay one duplicate back, exactly once, under its business key.

        Nothing is paid, and nothing written to the case, where no approval stands on record, or
        where the facts are no longer those that were approved.
        """
        intent = self._intent(task)
        async with temporal_failures(), heartbeating():
            changed = await self._changed_since_approved(task, intent)
            if changed:
                return EffectReport(outcome=Outcome(state=EffectState.REFUSED, code=changed))
            intent, outcome = await self._effects.once(
                intent, self._payments.refund, self._payments.look_up
            )
            if outcome.code == "not_approved":
                return EffectReport(outcome=outcome)
            return await self._settle(task, intent, outcome)

    @activity.defn
    async def give_up_refund(self, task: RefundTask) -> EffectReport:
        """Nothing told whether the refund was made: say so on record, for a person to find out."""
        async with temporal_failures():
            intent = self._intent(task)
            report = await self._settle(task, intent, _GAVE_UP)
            if task.ref.branch == MAIN:
                await self._report_unknown(task, intent.key)
            return report

    async def _report_unknown(self, task: RefundTask, key: str) -> None:
        await self._tasks.open(
            TaskKind.EFFECT_UNKNOWN,
            key,
            f"Nothing told whether {task.order.amount} of {task.order.charge_id} was refunded.",
            case=(task.ref.case_id, task.ref.branch),
        )

    async def _changed_since_approved(self, task: RefundTask, intent: EffectIntent) -> str | None:
        """What changed while a person decided, which can take days; None where nothing did.

        Once the effect is in the ledger it is too late to ask: the provider's records may show our
        own refund.
        """
        if task.approval_id is None or task.ref.branch != MAIN:
            return None
        if await self._effects.known(intent.key):
            return None
        if task.policy_version not in (None, self._policy.version):
            return POLICY_CHANGED
        charges = await self._payments.find_charges(task.ref.customer_id)
        first = task.order.model_copy(update={"attempt": 1})
        return None if first in examine_charges(charges).orders else EVIDENCE_CHANGED

    def _intent(self, task: RefundTask) -> EffectIntent:
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

    async def _settle(
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
        return await self._effects.settle(task.ref, intent, outcome, update, expected)
