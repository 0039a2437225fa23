"""How every effect is made: claimed, performed, settled; looked for before it is made again."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.measures import count_refund, is_counted
from activities.record import CaseRecord
from activities.steps import CaseRef, StepReport
from cases.effects import EffectIntent, EffectState, Outcome
from cases.ports import EffectLedger
from cases.records import Record
from cases.state import StepUpdate

#: What a branch is told while the main line is in the middle of the same effect, and how soon the
#: branch asks again.
IN_FLIGHT, LOOK_AGAIN = "in_flight", timedelta(seconds=1)

LookUp = Callable[[EffectIntent], Awaitable[Outcome | None]]
Perform = Callable[[EffectIntent], Awaitable[Outcome]]

#: Providers forget idempotency keys after 24 h (Stripe: "at least 24 hours"). Before that, so long
#: after the first attempt, the key alone is not trusted to keep a second call from paying twice.
KEYS_ARE_TRUSTED = timedelta(hours=20)
#: Then the outside must have had nothing of it twice, so far apart that nothing is on its way.
LOOKED_TWICE = timedelta(seconds=60)


class EffectReport(Record):
    """What became of an effect; without a report nothing was written to the case."""

    outcome: Outcome
    report: StepReport | None = None


class LedgeredEffects:
    """The one way in which anything outside is changed."""

    def __init__(self, record: CaseRecord, ledger: EffectLedger) -> None:
        self._record = record
        self._ledger = ledger

    async def once(
        self, intent: EffectIntent, perform: Perform, look_up: LookUp
    ) -> tuple[EffectIntent, Outcome]:
        """Claim, then perform what was claimed, unless it was done or must not be.

        Raises a retryable failure for an unknown outcome: Temporal calls again, and the next
        attempt looks before it sends. Nothing of a branch is performed: its claim is the outcome.
        """
        intent, claim = await self._ledger.claim(intent)
        if claim.outcome.settled:
            return intent, claim.outcome
        if claim.outcome.code == IN_FLIGHT:
            raise _unknown(intent, IN_FLIGHT, LOOK_AGAIN, ApplicationErrorCategory.BENIGN)
        if claim.earlier_attempts:
            found = await look_up(intent)
            if found:
                return intent, found
            if claim.age > KEYS_ARE_TRUSTED and not await self._ledger.missed(intent, LOOKED_TWICE):
                raise _unknown(intent, "looked_for_once", LOOKED_TWICE)
        outcome = await perform(intent)
        if outcome.state is EffectState.UNKNOWN:
            raise _unknown(intent, outcome.code, outcome.retry_after)
        return intent, outcome

    async def known(self, key: str) -> bool:
        """Whether the ledger has a row of that key."""
        return await self._ledger.find(key) is not None

    async def settle(
        self,
        ref: CaseRef,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: Mapping[str, int],
    ) -> EffectReport:
        """Commit the outcome with the case's step, and report it."""
        committed = await self._ledger.settle(intent, outcome, update, expected)
        if not committed.repeated:
            count_refund(intent, outcome)
        report = await self._record.project(ref.case_id, ref.branch, [update], committed)
        return EffectReport(outcome=outcome, report=report)

    async def settle_alone(self, intent: EffectIntent, outcome: Outcome) -> EffectReport:
        """Commit the outcome of an effect that is no step of its case."""
        open_before = await self._is_open(intent)
        await self._ledger.settle_alone(intent, outcome)
        if open_before:
            count_refund(intent, outcome)
        return EffectReport(outcome=outcome)

    async def _is_open(self, intent: EffectIntent) -> bool:
        """Whether what is committed next is its first outcome; asked of refunds, for the count."""
        effect = await self._ledger.find(intent.key) if is_counted(intent) else None
        return effect is not None and effect.state is EffectState.SENDING


def _unknown(
    intent: EffectIntent,
    code: str | None,
    retry_after: timedelta | None,
    category: ApplicationErrorCategory = ApplicationErrorCategory.UNSPECIFIED,
) -> ApplicationError:
    return ApplicationError(
        f"The outcome of {intent.kind} is unknown: {code}.",
        type="OutcomeUnknown",
        next_retry_delay=retry_after,
        category=category,
    )
