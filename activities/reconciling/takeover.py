"""Cases whose run ended before they did are brought to an end, in a person's hands."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.ledger import LedgeredEffects
from activities.reconciling.batches import in_batches
from activities.reconciling.open_effects import OpenEffects
from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.accounts import AccountSection
from cases.approvals import ApprovalState
from cases.comparison import LedgerEntry
from cases.effects import Compensation, EffectKind, EffectState, revoke_intent
from cases.errors import CaseError
from cases.ids import MAIN, promotion_of, workflow_id
from cases.ports import Accounts, Approvals, EndedRun, Runs
from cases.promotion import PROMOTION
from cases.reconciliation import (
    IDLE,
    LISTED,
    RECONCILER,
    TAKEN_OVER,
    Entries,
    Handover,
    TakeoverReport,
    UnendedCase,
)
from cases.state import CaseState, CaseStatus, StepUpdate
from cases.tasks import TaskKind

#: So many ended runs are compared with the record at a time.
_AT_ONCE = 100
#: How a run ended that refused what it was started with; who started it was told.
_FAILED = "failed"

Undo = Callable[[CaseState], Awaitable[str]]


class Takeover:
    """Settles, undoes and closes what an ended run has left. Each part is safe to repeat."""

    def __init__(
        self,
        record: CaseRecord,
        effects: LedgeredEffects,
        open_effects: OpenEffects,
        entries: Entries,
        tasks: Handover,
        *,
        approvals: Approvals,
        accounts: Accounts,
        runs: Runs,
    ) -> None:
        self._record = record
        self._effects = effects
        self._open_effects = open_effects
        self._entries = entries
        self._tasks = tasks
        self._approvals = approvals
        self._accounts = accounts
        self._runs = runs
        self._undo: dict[str, Undo] = {
            Compensation.WITHDRAW_REQUEST: self._withdraw_request,
            Compensation.REVOKE_RESET: self._revoke_reset,
        }

    async def take_over_all(self, since: datetime, *, idle_too: bool = False) -> TakeoverReport:
        """Take over the cases of all runs that ended badly since then; one stops no other.

        With `idle_too` also those whose run has completed, and whose end is not on record.
        """
        taken: list[EndedRun] = []
        left = 0
        async for runs in in_batches(self._ended(since, idle_too), _AT_ONCE):
            promotions = [run for run in runs if run.promotion]
            taken += [run for run in promotions if await self._report_promotion(run)]
            for case in await self._entries.unended([r for r in runs if not r.promotion]):
                try:
                    taken += [case.run] if await self._take_over(case) else []
                except CaseError as error:
                    left += 1
                    activity.logger.warning(
                        "a case could not be taken over; it is tried again",
                        extra={"case_id": case.run.case_id, "problem": type(error).__name__},
                    )
        return TakeoverReport(taken_over=len(taken), left=left, cases=tuple(taken[:LISTED]))

    async def _ended(self, since: datetime, idle_too: bool) -> AsyncIterator[EndedRun]:
        async for run in self._runs.ended_since(since):
            yield run
        if idle_too:
            async for line in self._entries.idle(IDLE):
                completed = await self._runs.ended_of_itself(
                    line.case_id, line.branch, promotion=line.promotion
                )
                if completed:
                    yield completed

    async def _take_over(self, case: UnendedCase) -> bool:
        run = case.run
        if case.customer_id is None:
            return await self._report_unrecorded(run)
        ref = CaseRef(case_id=run.case_id, customer_id=case.customer_id, branch=run.branch)
        state = await self._load(ref)
        if run.branch != MAIN:
            return await self._end_branch(run, state)
        undone: list[str] = []
        if not state.status.closed:
            await self._open_effects.settle_found(run.case_id, run.branch)
            if await self._runs.is_open(run.case_id, run.branch):
                return False  # somebody has started it again
            if run.of_itself:
                # It undid what it had to, and the ledger may have lost what it paid.
                await self._withdraw_request(await self._load(ref))
            elif not await self._may_have_paid(ref):
                undone = await self._compensate(ref)
            state = await self._load(ref)
            await self._record.renew(state)
            await self._record.commit(state, [_closing_step(run, undone)])
        elif TAKEN_OVER not in state.completed_steps:
            return False
        return await self._report(run, await self._summary(ref))

    async def _end_branch(self, run: EndedRun, state: CaseState) -> bool:
        """Nothing of a branch has left: it ends, and no person needs to look at it."""
        if state.status.closed or await self._runs.is_open(run.case_id, run.branch):
            return False
        await self._record.renew(state)
        end = _closing_step(run, []).model_copy(update={"status": CaseStatus.CANCELLED})
        await self._record.commit(state, [end])
        return True

    async def _load(self, ref: CaseRef) -> CaseState:
        return (await self._record.load_dossier(ref, limit_days=1)).state

    async def _may_have_paid(self, ref: CaseRef) -> bool:
        """Past the pivot, or nobody knows: then nothing is undone."""
        return any(
            entry.state.moved or entry.state is EffectState.SENDING
            for entry in await self._entries.of_case(ref.case_id, ref.branch)
            if entry.intent.kind.moves_money
        )

    async def _compensate(self, ref: CaseRef) -> list[str]:
        """Undo, newest first. What fails is a person's task, and the others are still undone."""
        undone: list[str] = []
        for name in await self._tasks.open_compensations(ref.case_id, ref.branch):
            problem = await self._try_to_undo(name, ref)
            await self._tasks.end_compensation(ref.case_id, ref.branch, name, problem)
            undone.append(f"{name}: {problem or 'done'}")
        return undone

    async def _try_to_undo(self, name: str, ref: CaseRef) -> str:
        undo = self._undo.get(name)
        if undo is None:
            return "this version does not know how to undo it"
        try:
            return await undo(await self._load(ref))
        except (CaseError, ApplicationError) as error:
            return str(error)

    async def _withdraw_request(self, state: CaseState) -> str:
        for approval_id in state.pending_approvals:
            await self._approvals.close(state, approval_id, ApprovalState.VOID)
        return ""

    async def _revoke_reset(self, state: CaseState) -> str:
        intent, outcome = await self._effects.once(
            revoke_intent(
                case_id=state.case_id, branch=state.branch, customer_id=state.customer_id
            ),
            self._accounts.revoke_reset,
            self._accounts.look_up,
        )
        section = state.get(AccountSection)
        if not outcome.state.done or section is None:
            await self._effects.settle_alone(intent, outcome)
            return "" if outcome.state.done else str(outcome.code)
        section = section.model_copy(update={"reset_sent": False, "status": "reset_revoked"})
        update = StepUpdate(
            step="reset_revoked",
            owner=section.owner,
            sections={section.name: section},
            reason=f"{intent.kind}: {outcome.state}",
        )
        ref = CaseRef(case_id=state.case_id, customer_id=state.customer_id, branch=state.branch)
        await self._effects.settle(ref, intent, outcome, update, state.expected(section.name))
        return ""

    async def _summary(self, ref: CaseRef) -> str:
        entries = await self._entries.of_case(ref.case_id, ref.branch)
        answered = any(
            entry.intent.kind is EffectKind.ANSWER and entry.state is EffectState.SUCCEEDED
            for entry in entries
        )
        told = "The customer was answered" if answered else "The customer has no answer"
        return f"{told}; {'; '.join(map(_sentence, entries)) or 'nothing was sent or paid'}."

    async def _report(self, run: EndedRun, summary: str) -> bool:
        activity.logger.error(
            "the run of a case had ended before the case; a person must look at it",
            extra={"case_id": run.case_id, "branch": run.branch, "how": run.how},
        )
        await self._tasks.open(
            TaskKind.RUN_ENDED,
            _subject(run),
            f"{_problem(run)} {summary}",
            case=(run.case_id, run.branch),
        )
        return True

    async def _report_promotion(self, run: EndedRun) -> bool:
        """A promotion that somebody ended may have paid already; whoever repeats it goes on."""
        name = workflow_id(run.case_id, run.branch)
        ref = CaseRef(case_id=run.case_id, customer_id="", branch=MAIN)
        if f"{PROMOTION}:{run.branch}" in (await self._load(ref)).completed_steps:
            return False
        task = await self._tasks.open(
            TaskKind.RUN_ENDED,
            workflow_id(promotion_of(run.case_id), run.branch),
            f"The promotion of {name} was {run.how}, and nothing goes on by itself: "
            f"`casekeeper promote {name}` does.",
            case=(run.case_id, MAIN),
        )
        return task is not None

    async def _report_unrecorded(self, run: EndedRun) -> bool:
        """The run of a case that it had not yet put on record: only Temporal has its text."""
        if run.how == _FAILED:
            return False
        activity.logger.error(
            "a run had ended before its case was on record", extra={"how": run.how}
        )
        await self._tasks.open(
            TaskKind.RUN_ENDED,
            _subject(run),
            f"The run {workflow_id(run.case_id, run.branch)} was {run.how} before its case was on "
            "record: what it was started with stands in Temporal's history alone.",
        )
        return True


def _closing_step(run: EndedRun, undone: Sequence[str]) -> StepUpdate:
    return StepUpdate(
        step=TAKEN_OVER,
        owner=RECONCILER,
        status=CaseStatus.MANUAL_REVIEW,
        error=f"the run was {run.how}",
        withdraws_approval=True,
        reason="; ".join([f"the run was {run.how}", *undone]),
    )


def _problem(run: EndedRun) -> str:
    if run.of_itself:
        return (
            f"The run was {run.how}, and the record lacks the end of the case: its newest rows are "
            "gone. Look at the provider, and at the mails, for what else was done. On record:"
        )
    return f"The run was {run.how} before the case had ended, and nothing goes on by itself."


def _subject(run: EndedRun) -> str:
    return f"{run.case_id}/{run.branch}"


def _sentence(entry: LedgerEntry) -> str:
    what = entry.intent.kind.replace("_", " ")
    about = f" of {entry.intent.amount} for {entry.intent.charge_id}" if entry.intent.amount else ""
    return f"{what}{about}: {entry.state}"
