"""The ports, in memory: each fits its Protocol, answers as it is told, and notes what it did."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cases.accounts import Account
from cases.answer_texts import Opening
from cases.answers import AnswerFacts
from cases.billing import Charge
from cases.effects import EffectIntent, EffectState, Outcome, ProviderRefund
from cases.errors import BudgetSpent, CaseAlreadyExists, CaseNotFound, ConcurrentModification
from cases.model_calls import Budget, CallEnd, ModelCall, Usage
from cases.model_ports import OpeningReply, UnderstandingReply
from cases.ports import Committed, Dossier
from cases.sizes import Archived
from cases.state import CaseState, Message, StepUpdate
from cases.understanding import Reason, Understanding


@dataclass
class FakeModelCalls:
    """Counts the calls alone, as if all were for one step of one case."""

    begun: list[ModelCall] = field(default_factory=list[ModelCall])
    ended: dict[int, CallEnd] = field(default_factory=dict[int, CallEnd])

    async def begin(self, call: ModelCall, case: Budget, customer: Budget) -> int:
        del customer
        if len(self.begun) >= case.calls:
            raise BudgetSpent("case", "calls")
        self.begun.append(call)
        return len(self.begun) - 1

    async def end(self, number: int, end: CallEnd, usage: Usage | None) -> None:
        del usage
        self.ended[number] = end

    async def failures(self, case_id: str, branch: str, step: str, model: str) -> int:
        del case_id, branch, step
        ends = [self.ended.get(n) for n, call in enumerate(self.begun) if call.model == model]
        return sum(end in (None, CallEnd.UNAVAILABLE) for end in ends)


@dataclass
class FakeModel:
    """Understands all messages alike, and picks the opening that it is told."""

    needs: frozenset[str] = frozenset({"billing"})
    reason: Reason = Reason.DUPLICATE
    opening: Opening = Opening.NONE
    error: Exception | None = None
    #: Never answers, until it is cancelled.
    hangs: bool = False
    read: list[str] = field(default_factory=list[str])
    #: The messages and the facts that an opening was picked for.
    answered: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    cancelled: bool = False

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        self.read.extend(messages)
        await self._think()
        return UnderstandingReply(
            model="fake",
            prompt_hash="h1",
            input_tokens=7,
            output_tokens=2,
            understanding=Understanding(needs=self.needs, reason=self.reason),
        )

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        self.answered.append((*messages, facts))
        await self._think()
        return OpeningReply(model="fake", prompt_hash="h2", opening=self.opening)

    async def _think(self) -> None:
        if self.error:
            raise self.error
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise


@dataclass
class FakePayments:
    """A provider whose answers to a refund are given in advance."""

    charges: Sequence[Charge] = ()
    answers: list[Outcome] = field(default_factory=list[Outcome])
    known: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    error: Exception | None = None
    asked: list[str] = field(default_factory=list[str])
    events: list[str] = field(default_factory=list[str])
    sent: list[EffectIntent] = field(default_factory=list[EffectIntent])
    account: str = "sandbox"
    refunds: Sequence[ProviderRefund] = ()

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        self.asked.append(customer_id)
        if self.error:
            raise self.error
        return self.charges

    async def refund(self, intent: EffectIntent) -> Outcome:
        self.events.append("perform")
        self.sent.append(intent)
        return self.answers.pop(0) if self.answers else succeeded("re_1")

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        self.events.append("look up")
        return self.known.get(intent.key)

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        for refund in self.refunds:
            if refund.created_at >= since:
                yield refund


@dataclass
class FakeAccounts:
    """Accounts by customer; reset mails are noted."""

    accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    answers: list[Outcome] = field(default_factory=list[Outcome])
    events: list[str] = field(default_factory=list[str])
    sent: list[EffectIntent] = field(default_factory=list[EffectIntent])

    @classmethod
    def of(
        cls, customer_id: str, *, locked: bool = False, open_resets: tuple[str, ...] = ()
    ) -> "FakeAccounts":
        known = Account(
            customer_id=customer_id,
            email=f"{customer_id}@example.com",
            name="Sam",
            locked=locked,
            open_resets=open_resets,
        )
        return cls(accounts={customer_id: known})

    async def find(self, customer_id: str) -> Account | None:
        return self.accounts.get(customer_id)

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
        self.events.append("perform")
        self.sent.append(intent)
        return self.answers.pop(0) if self.answers else succeeded("ml_1")

    async def revoke_reset(self, intent: EffectIntent) -> Outcome:
        return await self.send_reset_mail(intent)

    async def unlock(self, intent: EffectIntent) -> Outcome:
        return await self.send_reset_mail(intent)

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        return next((succeeded("ml_1") for sent in self.sent if sent.key == intent.key), None)


@dataclass
class FakeMail:
    """Answers that went out."""

    answers: list[Outcome] = field(default_factory=list[Outcome])
    events: list[str] = field(default_factory=list[str])
    sent: list[EffectIntent] = field(default_factory=list[EffectIntent])

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        self.events.append("perform")
        self.sent.append(intent)
        return self.answers.pop(0) if self.answers else succeeded("ml_2")

    async def send_notice(self, intent: EffectIntent) -> Outcome:
        return await self.send_answer(intent)

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        return next((succeeded("ml_2") for sent in self.sent if sent.key == intent.key), None)


def succeeded(receipt: str) -> Outcome:
    return Outcome(state=EffectState.SUCCEEDED, receipt=receipt)


@dataclass
class FakeStore:
    """The durable record of one process: versions, ownership and repeats as in the real one."""

    cases: dict[tuple[str, str], CaseState] = field(
        default_factory=dict[tuple[str, str], CaseState]
    )
    refunded_lately: dict[str, int] = field(default_factory=dict[str, int])
    commits: list[StepUpdate] = field(default_factory=list[StepUpdate])
    loads: list[str] = field(default_factory=list[str])
    limit_days: list[int] = field(default_factory=list[int])
    #: Every state that a commit made, for reads of an earlier version.
    past: dict[tuple[str, str, int], CaseState] = field(
        default_factory=dict[tuple[str, str, int], CaseState]
    )
    #: Called before a commit: for a rival writer, say.
    before_commit: Callable[[], None] | None = None

    @classmethod
    def of(cls, *states: CaseState) -> "FakeStore":
        return cls(cases={(state.case_id, state.branch): state for state in states})

    async def open(
        self, case_id: str, branch: str, customer_id: str, request: Message, *, opened_by: str = ""
    ) -> Committed:
        del opened_by
        known = self.cases.get((case_id, branch))
        if known and known.request and known.request.text != request.text:
            raise CaseAlreadyExists(case_id)
        if known:
            return Committed(version=1, repeated=True)
        state = CaseState(case_id=case_id, customer_id=customer_id, branch=branch)
        opened = StepUpdate(step="open", owner="intake", messages=(request,))
        self.cases[case_id, branch] = state.after(opened, 1)
        return Committed(version=1)

    async def load(self, case_id: str, branch: str, *, at: int | None = None) -> CaseState:
        self.loads.append("state")
        state = self._case(case_id, branch)
        return state if at is None else self.past[case_id, branch, at]

    async def read_back(self, case_id: str, archived: Archived) -> str:
        assert (case_id, "main") in self.cases
        texts = {text.digest: text.text for update in self.commits for text in update.archive}
        return texts[archived.digest]

    async def load_dossier(
        self, case_id: str, branch: str, *, at: int | None = None, limit_days: int = 30
    ) -> Dossier:
        self.loads.append("dossier")
        self.limit_days.append(limit_days)
        state = self._case(case_id, branch)
        found = state if at is None else self.past[case_id, branch, at]
        return Dossier(state=found, refunded_lately=self.refunded_lately)

    async def commit(
        self, case_id: str, branch: str, updates: Sequence[StepUpdate], expected: Mapping[str, int]
    ) -> Committed:
        if self.before_commit:
            self.before_commit()
        state = self._case(case_id, branch)
        if all(update.step in state.completed_steps for update in updates):
            version = state.completed_steps.index(updates[-1].step) + 1
            return Committed(version=version, repeated=True)
        for name in {name for update in updates for name in update.sections}:
            found = state.section_versions.get(name, 0)
            if expected[name] != found:
                raise ConcurrentModification(case_id, expected[name], found)
        for update in updates:
            state = state.after(update, state.version + 1)
            self.commits.append(update)
            self.past[case_id, branch, state.version] = state
        self.cases[case_id, branch] = state
        return Committed(version=state.version)

    def _case(self, case_id: str, branch: str) -> CaseState:
        try:
            return self.cases[case_id, branch]
        except KeyError:
            raise CaseNotFound(case_id, branch) from None


@dataclass
class FakeHot:
    """The projection; it can forget, and it can hold something old."""

    copies: dict[tuple[str, str], CaseState] = field(
        default_factory=dict[tuple[str, str], CaseState]
    )

    async def read(self, case_id: str, branch: str) -> CaseState | None:
        return self.copies.get((case_id, branch))

    async def drop(self, case_id: str, branch: str) -> None:
        self.copies.pop((case_id, branch), None)

    async def write(self, state: CaseState) -> bool:
        self.copies[state.case_id, state.branch] = state
        return True

    async def merge(
        self, case_id: str, branch: str, updates: Sequence[tuple[StepUpdate, int]]
    ) -> bool:
        state = self.copies.get((case_id, branch))
        if state:
            for update, version in updates:
                state = state.after(update, version)
            self.copies[case_id, branch] = state
        return state is not None
