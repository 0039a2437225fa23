"""The provider's refunds and the ledger's, compared both ways while both go on changing."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from activities.measures import count_difference
from activities.reconciling.batches import in_batches
from activities.reconciling.open_effects import OpenEffects
from cases.comparison import (
    IN_FLIGHT,
    Comparison,
    Difference,
    DifferenceKind,
    LedgerEntry,
    Remedy,
    Side,
    difference,
    differing_state,
    sentence,
)
from cases.effects import EffectState, Outcome, ProviderRefund
from cases.ports import Payments
from cases.reconciliation import LISTED, CompareReport, Entries, Handover
from cases.tasks import TaskKind

_AT_ONCE = 200
#: The provider's list reaches further back than the ledger's: their clocks may differ.
_MARGIN = timedelta(hours=2)
#: So many refunds that the list lacks are looked up one by one. If more are gone, it is the list,
#: or the account, that is wrong.
_LOOKED_UP = 1000
_BY_LOOKING = frozenset({DifferenceKind.UNSETTLED_HERE, DifferenceKind.STATE_DIFFERS})


class Comparing:
    """One comparison. What differs in a passing way is looked up again before it is said."""

    def __init__(
        self,
        payments: Payments,
        entries: Entries,
        open_effects: OpenEffects,
        tasks: Handover,
        *,
        in_flight: timedelta = IN_FLIGHT,
    ) -> None:
        self._payments = payments
        self._entries = entries
        self._open_effects = open_effects
        self._tasks = tasks
        self._in_flight = in_flight
        self._comparison = Comparison(in_flight)
        self._counts: Counter[DifferenceKind] = Counter()
        self._listed: list[Difference] = []
        self._notes: list[Difference] = []
        self._numbers: Counter[str] = Counter()

    async def compare(self, days: int) -> CompareReport:
        """Compare the refunds of so many days: the provider's list first, then the ledger's."""
        since = datetime.now(UTC) - timedelta(days=days) - _MARGIN
        async for refunds in in_batches(self._payments.refunds_since(since), _AT_ONCE):
            await self._compare_theirs(refunds)
        after = None
        while page := await self._entries.made_within(days, after):
            for entry in page:
                await self._compare_ours(entry)
            after = (page[-1].claimed_at, page[-1].key)
        room = LISTED - len(self._listed)
        return CompareReport(
            days=days,
            counts=dict(self._counts),
            differences=(*self._listed, *self._notes[:room]),
            **dict(self._numbers),
        )

    async def _compare_theirs(self, refunds: Sequence[ProviderRefund]) -> None:
        self._numbers["theirs"] += len(refunds)
        keys = {refund.key for refund in refunds if refund.key}
        entries = {entry.key: entry for entry in await self._entries.of_keys(keys)}
        for refund in refunds:
            entry = entries.get(refund.key or "")
            for found in self._comparison.of_theirs(refund, entry):
                if found.kind is DifferenceKind.UNKNOWN_ORIGIN:
                    self._say(found, Remedy.NOTED)
                elif found.kind in _BY_LOOKING and entry:
                    await self._look_at_state(entry)
                else:
                    await self._hand_over(found)

    async def _compare_ours(self, entry: LedgerEntry) -> None:
        self._numbers["ours"] += 1
        if not self._comparison.lacks(entry):
            return
        if self._numbers["looked_up"] >= _LOOKED_UP:
            self._numbers["not_looked_up"] += 1
            return
        self._numbers["looked_up"] += 1
        await self._look_at_state(entry)

    async def _look_at_state(self, entry: LedgerEntry) -> None:
        """The list was of a moment ago: ask for this one, then read what the ledger says by now."""
        found = await self._payments.look_up(entry.intent)
        now = next(iter(await self._entries.of_keys([entry.key])), None)
        if now is None:
            return
        if found is None and now.stands:
            await self._hand_over(difference(DifferenceKind.MISSING_THERE, now.key, now, None))
        kind = found and differing_state(now, found.state, found.receipt, self._in_flight)
        if kind and found:
            await self._settle(kind, now, found)

    async def _settle(self, kind: DifferenceKind, entry: LedgerEntry, found: Outcome) -> None:
        """Take over what the provider says, where the ledger can still learn it."""
        theirs = Side(
            amount=entry.intent.amount,
            charge_id=entry.intent.charge_id,
            state=found.state,
            receipt=found.receipt,
        )
        differs = difference(kind, entry.key, entry, theirs)
        if not entry.takes(found.state):
            await self._hand_over(differs)
            return
        if await self._open_effects.resolve(entry, found):
            count_difference(kind)
        failed = found.state is EffectState.FAILED
        self._say(differs, Remedy.HANDED_OVER if failed else Remedy.SETTLED)

    async def _hand_over(self, differs: Difference) -> None:
        """Make it a person's task, once: what they have finished stays finished."""
        case = (differs.case_id, differs.branch) if differs.case_id and differs.branch else None
        opened = await self._tasks.open(
            TaskKind.DIFFERENCE, differs.task_subject, sentence(differs), case=case
        )
        if opened:
            count_difference(differs.kind)
        known = not opened and await self._entries.is_finished(
            TaskKind.DIFFERENCE, differs.task_subject
        )
        self._say(differs, Remedy.ACCEPTED if known else Remedy.HANDED_OVER)

    def _say(self, differs: Difference, remedy: Remedy) -> None:
        self._counts[differs.kind] += 1
        self._numbers["for_people"] += remedy is Remedy.HANDED_OVER
        listed = self._notes if remedy is Remedy.NOTED else self._listed
        if len(listed) < LISTED:
            listed.append(differs.model_copy(update={"remedy": remedy}))
