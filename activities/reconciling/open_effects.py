"""Open effects are settled by looking at the outside: nothing is sent again from here."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

from activities.ledger import LOOKED_TWICE
from activities.measures import count_refund
from cases.comparison import IN_FLIGHT, LedgerEntry, Remedy
from cases.effects import EffectIntent, EffectKind, EffectState, Outcome
from cases.errors import GatewayUnavailable
from cases.ports import Accounts, EffectLedger, Mail, Payments, Runs
from cases.reconciliation import (
    LISTED,
    PENDING_FOR_LONG,
    RECONCILER,
    EffectFinding,
    Entries,
    Handover,
    SettleReport,
)
from cases.tasks import TaskKind

#: After so many questions that one system did not answer it is left alone until the next time.
_PATIENCE = 3
_NOT_FOUND = Outcome(state=EffectState.UNKNOWN, code="not_found")
#: What an outside can say of an effect.
_ENDS = frozenset(
    {EffectState.SUCCEEDED, EffectState.PENDING, EffectState.REJECTED, EffectState.FAILED}
)


class Outside:
    """Asks, of any effect, the system that it was sent to."""

    def __init__(self, payments: Payments, accounts: Accounts, mail: Mail) -> None:
        self._by_kind: dict[EffectKind, Callable[[EffectIntent], Awaitable[Outcome | None]]] = {
            EffectKind.REFUND: payments.look_up,
            EffectKind.CORRECTION: payments.look_up,
            EffectKind.RESET_MAIL: accounts.look_up,
            EffectKind.RESET_REVOKED: accounts.look_up,
            EffectKind.UNLOCK: accounts.look_up,
            EffectKind.ANSWER: mail.look_up,
            EffectKind.NOTICE: mail.look_up,
        }

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """What became of it, or None where nothing did. Raises GatewayUnavailable."""
        return await self._by_kind[intent.kind](intent)


class OpenEffects:
    """Looks at effects of which the end is not known, and puts on record what it finds."""

    def __init__(
        self,
        entries: Entries,
        ledger: EffectLedger,
        outside: Outside,
        runs: Runs,
        tasks: Handover,
        *,
        in_flight: timedelta = IN_FLIGHT,
    ) -> None:
        self._entries = entries
        self._ledger = ledger
        self._outside = outside
        self._runs = runs
        self._tasks = tasks
        self._in_flight = in_flight

    async def settle_all(self, *, everything: bool) -> SettleReport:
        """Look at all of them, in pages. A system that does not answer holds up no other."""
        counts: Counter[str] = Counter()
        unavailable: Counter[EffectKind] = Counter()
        listed: list[EffectFinding] = []
        after = None
        while page := await self._entries.open_effects(
            after, older_than=self._in_flight, everything=everything
        ):
            for entry in page:
                found = None
                if unavailable[entry.intent.kind] < _PATIENCE:
                    counts["looked_at"] += 1
                    try:
                        found = await self._settle(entry)
                    except GatewayUnavailable:
                        unavailable[entry.intent.kind] += 1
                counts.update(_counted(found))
                listed += [found] if found and len(listed) < LISTED else []
            after = (page[-1].claimed_at, page[-1].key)
        return SettleReport(
            effects=tuple(listed), unavailable=sum(unavailable.values()), **dict(counts)
        )

    async def settle_found(self, case_id: str, branch: str) -> None:
        """Settle those of a case that the outside knows of; the others are left as they are."""
        for entry in await self._entries.of_case(case_id, branch):
            if entry.open:
                news = _news(entry, await self._outside.look_up(entry.intent))
                if news:
                    await self.resolve(entry, news)

    async def resolve(self, entry: LedgerEntry, found: Outcome) -> bool:
        """Put on record what was found. Money that came back is a person's task.

        The task first: once the outcome is on record, nobody looks at the effect again.
        """
        if found.state is EffectState.FAILED and entry.intent.kind.moves_money:
            await self._tasks.open(
                TaskKind.REFUND_FAILED,
                entry.key,
                f"The refund of {entry.intent.amount} for {entry.intent.charge_id} "
                f"({found.receipt}) was accepted and then not carried out: the money is back with "
                "us, and the customer may have been told that it was paid. Find out why, and tell "
                "the customer; `casekeeper reopen` asks for an approval to refund it again.",
                case=entry.case,
            )
        return await self._put_on_record(entry, found)

    async def _put_on_record(self, entry: LedgerEntry, found: Outcome) -> bool:
        changed = await self._ledger.resolve(entry.key, found, RECONCILER)
        if changed:
            count_refund(entry.intent, found)
        return changed

    async def _settle(self, entry: LedgerEntry) -> EffectFinding | None:
        # Asked before the outside is: what an open run sends after our look, it settles itself.
        run_open = await self._runs.is_open(*entry.case)
        found = await self._outside.look_up(entry.intent)
        news = _news(entry, found)
        if news is None:
            await self._entries.looked_at(entry.key)
            return await self._nothing_new(entry, found, run_open)
        if not await self.resolve(entry, news):
            return None
        failed = news.state is EffectState.FAILED
        return _finding(entry, news, Remedy.HANDED_OVER if failed else Remedy.SETTLED)

    async def _nothing_new(
        self, entry: LedgerEntry, found: Outcome | None, run_open: bool
    ) -> EffectFinding | None:
        """Hand over what stays open for too long."""
        if entry.state is EffectState.PENDING:
            long = entry.age >= PENDING_FOR_LONG
            now = Outcome(state=entry.state, receipt=entry.receipt)
            return await self._hand_over(entry, now, "is still pending") if long else None
        if found or run_open or not await self._ledger.missed(entry.intent, LOOKED_TWICE):
            return None
        await self._put_on_record(entry, _NOT_FOUND)
        return await self._hand_over(entry, _NOT_FOUND, "cannot be found where it was sent")

    async def _hand_over(
        self, entry: LedgerEntry, outcome: Outcome, problem: str
    ) -> EffectFinding | None:
        intent = entry.intent
        about = f" of {intent.amount} for {intent.charge_id}" if intent.amount else ""
        opened = await self._tasks.open(
            TaskKind.EFFECT_UNKNOWN,
            entry.key,
            f"The {intent.kind.replace('_', ' ')}{about} {problem}, "
            f"since {entry.claimed_at:%Y-%m-%d}. Look there for the key {entry.key}, "
            "and say what became of it: `casekeeper resolve`.",
            case=entry.case,
        )
        if not opened and await self._entries.is_finished(TaskKind.EFFECT_UNKNOWN, entry.key):
            return None  # a person has dealt with it
        return _finding(entry, outcome, Remedy.HANDED_OVER)


def _counted(found: EffectFinding | None) -> dict[str, int]:
    if found is None:
        return {"waiting": 1}
    settled = found.after not in (found.before, EffectState.UNKNOWN)
    return {"settled": int(settled), "handed_over": int(found.remedy is Remedy.HANDED_OVER)}


def _finding(entry: LedgerEntry, outcome: Outcome, remedy: Remedy) -> EffectFinding:
    return EffectFinding(
        key=entry.key,
        kind=entry.intent.kind,
        case_id=entry.intent.case_id,
        before=entry.state,
        after=outcome.state,
        receipt=outcome.receipt,
        remedy=remedy,
    )


def _news(entry: LedgerEntry, found: Outcome | None) -> Outcome | None:
    """What was found, where the ledger does not say so already."""
    return found if found and found.state in _ENDS and found.state is not entry.state else None
