"""Carry a promotion out: begin it, do what the branch wants, and make the branch the main line."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from temporalio import activity

from activities.errors import heartbeating, temporal_failures
from activities.ledger import LedgeredEffects, LookUp, Perform
from activities.measures import count_closed
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.approvals import Approval, ApprovalState
from cases.correction_plan import make_plan
from cases.effects import EffectIntent, EffectKind, EffectState, Outcome
from cases.ids import MAIN, workflow_id
from cases.ports import Accounts, Committed, Mail, Payments, Tasks
from cases.promoted import Ending, contradicts_answer, ending_of, intent_of
from cases.promotion import (
    PlanLine,
    PromotionFacts,
    PromotionRefused,
    describe_intent,
)
from cases.records import Record
from cases.state import CaseStatus
from cases.tasks import TaskKind

_GAVE_UP = Outcome(state=EffectState.UNKNOWN, code="gave_up")
#: The branch's answer says what has not come true.
_UNTRUE = Outcome(state=EffectState.REFUSED, code="not_as_answered")


class PromotionTask(Record):
    """Promote a branch by the plan with that digest, as that person asked."""

    case_id: str
    branch: str
    customer_id: str
    digest: str
    #: Of the request that people decide; None where the plan moves no money.
    approval_id: str | None = None
    by: str


class AskedPromotion(Record):
    """Where the request stands: the newest about the branch, which may have been asked anew."""

    approval_id: str
    asked: int
    state: ApprovalState


class CloseTask(Record):
    """End the request of a promotion without a decision."""

    approval_id: str
    end: ApprovalState
    why: str = ""


class PromotedEffect(Record):
    """One line of the plan, to be done."""

    task: PromotionTask
    line: PlanLine


class Begun(Record):
    """What is to be sent and paid."""

    lines: tuple[PlanLine, ...]


class Promoted(Record):
    """The main line is what the branch was."""

    status: CaseStatus
    version: int


class Promotions(Protocol):
    """The record of promotions."""

    async def facts(self, case_id: str, branch: str) -> PromotionFacts:
        """What a promotion is planned from; raises CaseNotFound, PromotionRefused."""
        ...

    async def close(self, approval_id: str, end: ApprovalState, why: str = "") -> ApprovalState:
        """Expire or void a request; what was decided or used stays, and its state is returned."""
        ...

    async def begin(self, facts: PromotionFacts, approval: Approval | None, by: str) -> None:
        """The main line does nothing but this now; raises PromotionRefused, PlanOutdated."""
        ...

    async def complete(self, facts: PromotionFacts, ending: Ending, by: str) -> Committed:
        """Make the main line what the branch is; a repeat is a no-op."""
        ...


class Requests(Protocol):
    """The requests about promotions."""

    async def of_promotion(self, case_id: str, branch: str) -> Approval | None:
        """The last request about the promotion of a branch, or None."""
        ...


class Stoppable(Protocol):
    """The cases' runs."""

    async def stop(self, case_id: str, branch: str, reason: str) -> None:
        """End the run of the case, if one is open. Raises GatewayUnavailable."""
        ...


class PromotionActivities:
    """Each may be repeated: the record knows what was done."""

    def __init__(
        self,
        record: CaseRecord,
        promotions: Promotions,
        requests: Requests,
        effects: LedgeredEffects,
        tasks: Tasks,
        *,
        payments: Payments,
        accounts: Accounts,
        mail: Mail,
        runs: Stoppable,
    ) -> None:
        self._record = record
        self._promotions = promotions
        self._requests = requests
        self._effects = effects
        self._tasks = tasks
        self._runs = runs
        self._outside: dict[EffectKind, tuple[Perform, LookUp]] = {
            EffectKind.REFUND: (payments.refund, payments.look_up),
            EffectKind.CORRECTION: (payments.refund, payments.look_up),
            EffectKind.RESET_MAIL: (accounts.send_reset_mail, accounts.look_up),
            EffectKind.RESET_REVOKED: (accounts.revoke_reset, accounts.look_up),
            EffectKind.ANSWER: (mail.send_answer, mail.look_up),
        }

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [
            self.read_promotion,
            self.close_promotion,
            self.begin_promotion,
            self.carry_out,
            self.give_up_promoted,
            self.complete_promotion,
        ]

    @activity.defn
    async def read_promotion(self, task: PromotionTask) -> AskedPromotion | None:
        """What the row says of the request: the signal that woke us is only a hint."""
        async with temporal_failures():
            found = await self._approval(task)
            if found is None:
                return None
            return AskedPromotion(
                approval_id=found.approval_id, asked=found.asked, state=found.state
            )

    @activity.defn
    async def close_promotion(self, task: CloseTask) -> ApprovalState:
        """Expire or void the request; a decision that came first stands."""
        async with temporal_failures():
            return await self._promotions.close(task.approval_id, task.end, task.why)

    @activity.defn
    async def begin_promotion(self, task: PromotionTask) -> Begun:
        """Check again, and stop the main line; raises PromotionRefused with the reason."""
        async with temporal_failures(), heartbeating():
            facts = await self._promotions.facts(task.case_id, task.branch)
            approval = await self._approval(task)
            plan = make_plan(facts)
            if not facts.begun:
                if plan.digest != (approval.digest if approval else task.digest):
                    raise PromotionRefused(
                        f"What branch {task.branch} of case {task.case_id} would change is not "
                        "what was asked for any more: promote it again."
                    )
                await self._promotions.begin(facts, approval, task.by)
            reason = f"Branch {task.branch} is promoted in its place."
            await self._runs.stop(task.case_id, MAIN, reason)
            return Begun(lines=tuple(line for line in plan.lines if line.leaves))

    @activity.defn
    async def carry_out(self, effect: PromotedEffect) -> Outcome:
        """Pay or send one thing, exactly once, under its business key."""
        async with temporal_failures(), heartbeating():
            task, line = effect.task, effect.line
            facts = await self._promotions.facts(task.case_id, task.branch)
            if line.kind is EffectKind.ANSWER and contradicts_answer(facts):
                return _UNTRUE
            intent = intent_of(line, facts, await self._approval(task))
            intent, outcome = await self._effects.once(intent, *self._outside[intent.kind])
            await self._effects.settle_alone(intent, outcome)
            return outcome

    @activity.defn
    async def give_up_promoted(self, effect: PromotedEffect) -> None:
        """Nothing told whether it was done: say so on record, for a person to find out."""
        async with temporal_failures():
            task = effect.task
            facts = await self._promotions.facts(task.case_id, task.branch)
            intent = intent_of(effect.line, facts, await self._approval(task))
            if not await self._effects.known(intent.key):
                return
            await self._open(TaskKind.EFFECT_UNKNOWN, intent, "Nothing told what became of the")
            await self._effects.settle_alone(intent, _GAVE_UP)

    @activity.defn
    async def complete_promotion(self, task: PromotionTask) -> Promoted:
        """Make the branch the main line, with what was really done; the rest is a person's."""
        async with temporal_failures(), heartbeating():
            facts = await self._promotions.facts(task.case_id, task.branch)
            main = await self._load(task, MAIN)
            if facts.begun:
                branch = await self._load(task, task.branch)
                ending = ending_of(facts, branch, main, await self._approval(task))
                await self._hand_over(task, ending)
                committed = await self._promotions.complete(facts, ending, task.by)
                main = await self._load(task, MAIN)
                if main.status.closed and not committed.repeated:
                    count_closed(main.status)
            await self._record.renew(main)
            return Promoted(status=main.status, version=main.version)

    async def _approval(self, task: PromotionTask) -> Approval | None:
        if task.approval_id is None:
            return None
        return await self._requests.of_promotion(task.case_id, task.branch)

    async def _load(self, task: PromotionTask, branch: str) -> Any:
        ref = CaseRef(case_id=task.case_id, customer_id=task.customer_id, branch=branch)
        return (await self._record.load_dossier(ref, limit_days=1)).state

    async def _hand_over(self, task: PromotionTask, ending: Ending) -> None:
        """The tasks first: once the case is closed nobody looks at it again."""
        case, name = (task.case_id, MAIN), workflow_id(task.case_id, task.branch)
        if ending.to_recover:
            await self._tasks.open(
                TaskKind.MONEY_TO_RECOVER,
                name,
                f"By branch {task.branch}, which was promoted: {ending.to_recover}. Nothing is "
                "charged back by itself: get it back from the customer, or let it be.",
                case=case,
            )
        if ending.incomplete:
            await self._tasks.open(
                TaskKind.PROMOTION_INCOMPLETE,
                name,
                f"Branch {task.branch} was promoted, and not all of it came true: "
                f"{ending.incomplete}.",
                case=case,
            )

    async def _open(self, kind: TaskKind, intent: EffectIntent, problem: str) -> None:
        about = f"{problem} {describe_intent(intent)}."
        await self._tasks.open(kind, intent.key, about, case=(intent.case_id, MAIN))
