"""The ledger, people's tasks and the journal, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cases.effects import Claim, Effect, EffectIntent, EffectKind, EffectState, Outcome
from cases.ports import Committed
from cases.state import StepUpdate
from cases.tasks import TaskKind
from tests.fakes import FakeStore
from tests.samples import NOON, usd

SENDING = Outcome(state=EffectState.SENDING)


def effect_row(key: str, state: EffectState = EffectState.SENDING) -> Effect:
    """A row of a refund as the ledger has it."""
    return Effect(
        key=key,
        kind=EffectKind.REFUND,
        case_id="case_1",
        branch="main",
        state=state,
        amount=usd("49.99"),
        charge_id="ch_2",
        receipt=None,
        attempts=1,
        claimed_at=NOON,
        settled_at=None,
    )


@dataclass
class FakeLedger:
    """Claims as they are told; settles into the store, like the real one in one transaction."""

    store: FakeStore
    claim_as: Claim = field(default_factory=lambda: Claim(outcome=SENDING))
    #: The intent of the first claim, where an earlier attempt made it.
    first: EffectIntent | None = None
    events: list[str] = field(default_factory=list[str])
    claimed: list[EffectIntent] = field(default_factory=list[EffectIntent])
    settled: list[Outcome] = field(default_factory=list[Outcome])
    rows: dict[str, Effect] = field(default_factory=dict[str, Effect])
    missed_before: bool = False

    async def claim(self, intent: EffectIntent) -> tuple[EffectIntent, Claim]:
        self.events.append("claim")
        self.claimed.append(intent)
        return self.first or intent, self.claim_as

    async def settle(
        self,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: Mapping[str, int],
    ) -> Committed:
        self.events.append("settle")
        self.settled.append(outcome)
        return await self.store.commit(intent.case_id, intent.branch, [update], expected)

    async def settle_alone(self, intent: EffectIntent, outcome: Outcome) -> None:
        self.events.append(f"settle {intent.kind}")
        self.settled.append(outcome)

    async def resolve(self, key: str, outcome: Outcome, actor: str) -> bool:
        self.events.append(f"resolve {key} {actor}")
        self.settled.append(outcome)
        return True

    async def missed(self, intent: EffectIntent, apart: timedelta) -> bool:
        self.events.append(f"missed {intent.kind} {apart}")
        return self.missed_before

    async def find(self, key: str) -> Effect | None:
        return self.rows.get(key)

    async def own_refunds(self, case_id: str) -> frozenset[str]:
        rows = [row for row in self.rows.values() if row.case_id == case_id]
        return frozenset(mark for row in rows for mark in (row.key, row.receipt) if mark)


@dataclass
class FakeTasks:
    """What was handed to people, and which compensations ended."""

    opened: list[tuple[TaskKind, str]] = field(default_factory=list[tuple[TaskKind, str]])
    ended: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    #: Whether compensations are on record as open.
    registered: bool = True

    async def open(
        self, kind: TaskKind, subject: str, detail: str, *, case: tuple[str, str] | None = None
    ) -> str | None:
        assert detail
        assert case
        self.opened.append((kind, subject))
        return "task_1"

    async def end_compensation(self, case_id: str, branch: str, name: str, problem: str) -> bool:
        assert f"{case_id}/{branch}" == "case_1/main"
        self.ended.append((name, problem))
        return self.registered


@dataclass
class FakeJournal:
    """Audit rows that change nothing."""

    notes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    keys: set[str] = field(default_factory=set[str])

    async def note(
        self, case_id: str, branch: str, actor: str, event: str, detail: str, *, once: str = ""
    ) -> None:
        assert f"{case_id}/{branch}" == "case_1/main"
        if not once or once not in self.keys:
            self.notes.append((actor, event, detail))
        self.keys.add(once)
