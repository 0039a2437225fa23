"""Checks the invariants over the record, its hot copies and the outside. It only reads."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from cases.breaches import (
    BooksProblem,
    answer_problems,
    books_problems,
    copy_problem,
    decision_problems,
    mail_problems,
)
from cases.comparison import LedgerEntry
from cases.errors import CaseError
from cases.ids import MAIN
from cases.invariants import Finding, Invariant, InvariantReport, Line
from cases.model_calls import CASE_BUDGET, Budget
from cases.policy import PolicySection
from cases.ports import Payments
from cases.tasks import TaskKind
from gateways.sandbox.sent import sent_mails
from runtime.redaction import redacted
from runtime.settings import Settings
from stores.heads import HeadsReader
from stores.hot import RedisHotStore
from stores.invariants import PostgresInvariants, Scope
from stores.reconciliation import PostgresEntries
from stores.redis import UNAVAILABLE, in_time
from stores.verification import verify
from workers.composition import Stores
from workers.heads import heads_files

T = TypeVar("T")

#: So many cases are read side by side, each on a connection of its own.
_SIDE_BY_SIDE = 4
#: What redaction puts in place of what is private of a customer.
_PRIVATE = re.compile(r"\[(mail|phone|iban|card)\]")
#: How a finding of the audit's verification names its case.
_NAMED = re.compile(r"case ([A-Za-z0-9_.-]+)(?:, branch ([A-Za-z0-9_.-]+))?[,:]")
#: What reading a case raises that was damaged.
_DAMAGED = (CaseError, ValueError, LookupError)


@dataclass(frozen=True)
class Check:
    """What is checked, and against what."""

    stores: Stores
    settings: Settings
    payments: Payments
    scope: Scope
    #: Nothing may be on its way any more, as at the end of a test.
    settled: bool = False

    async def run(self) -> InvariantReport:
        """Check all invariants but the last, which is about histories.

        Raises CaseNotFound, and GatewayUnavailable where the outside does not answer.
        """
        reading = PostgresInvariants(self.stores.pool)
        pages = _Pages(self, reading, await self._hot_store())
        findings = [
            Finding(invariant=Invariant.WHOLE_NUMBERS, problem=problem)
            for problem in await reading.unfit_for_money()
        ]
        if self.scope.everything:
            files = heads_files(self.settings)
            reader = HeadsReader(files.heads, files.public_key)
            findings += _audited((await verify(self.stores.audit, reader)).findings)
        lines = 0
        async for page in reading.pages(self.scope):
            lines += len(page)
            findings += await pages.check(page)
        found = tuple(dict.fromkeys(findings))
        return InvariantReport(lines=lines, skipped=(Invariant.REPLAYS,), findings=found)

    @property
    def calls(self) -> int:
        """How often a case may call models."""
        given = self.settings.case_budget
        budget = Budget.parse(given, "CASEKEEPER_CASE_BUDGET") if given else CASE_BUDGET
        return budget.calls

    async def _hot_store(self) -> RedisHotStore | None:
        """None without Redis: then there is nothing to compare."""
        with suppress(*UNAVAILABLE):
            redis = self.stores.redis
            await in_time(redis.ping())  # pyright: ignore[reportUnknownMemberType]  untyped upstream
            return RedisHotStore(self.stores.redis, self.stores.keys)
        return None


class _Pages:
    """Checks lines, a page of them at a time."""

    def __init__(self, check: Check, reading: PostgresInvariants, hot: RedisHotStore | None):
        self._check, self._stores = check, check.stores
        self._reading = reading
        self._hot = hot
        self._entries = PostgresEntries(check.stores.pool, check.stores.keys)

    async def check(self, lines: Sequence[Line]) -> list[Finding]:
        """Everything that these lines break."""
        settled, calls = self._check.settled, self._check.calls
        findings = [*await self._reading.breaches(lines, settled=settled, calls=calls)]
        findings += await self._private_texts(lines)
        if not self._check.scope.everything:
            named = [(one.case_id, one.branch) for one in lines]
            findings += _audited((await self._stores.audit.check(named)).findings)
        told = [line for line in lines if not line.erased]
        findings += await _side_by_side(self._state, told)
        claims = await self._reading.money_claims(told)
        customers = _by_customer(told).values()
        findings += await _side_by_side(lambda own: self._decisions(own, claims), customers)
        findings += await _side_by_side(self._outside, customers)
        return findings

    async def _private_texts(self, lines: Sequence[Line]) -> list[Finding]:
        return [
            Finding(
                invariant=Invariant.NOTHING_PRIVATE,
                case_id=text.case_id,
                branch=text.branch,
                problem=f"{text.place} holds what looks like a {kind}",
            )
            for text in await self._reading.open_texts(lines)
            for kind in dict.fromkeys(_PRIVATE.findall(redacted(text.text)))
        ]

    async def _state(self, line: Line) -> list[Finding]:
        """The case from Postgres alone, and its hot copy beside it.

        The copy is read first: what goes on meanwhile makes the record newer, never the copy.
        """
        cases, named = self._stores.cases, (line.case_id, line.branch)
        hot = await self._hot.read(*named) if self._hot else None
        try:
            durable = await cases.load(*named)
            if hot and hot.version < durable.version:
                durable = await cases.load(*named, at=hot.version)
        except _DAMAGED as error:
            problem = f"it cannot be read from Postgres: {type(error).__name__}"
            return [line.breaks(Invariant.DURABLE, problem)]
        differs = copy_problem(hot, durable) if hot else None
        return [line.breaks(Invariant.DURABLE, differs)] if differs else []

    async def _decisions(self, lines: Sequence[Line], claims: Mapping[str, int]) -> list[Finding]:
        """Each refund against what had been decided when it was claimed."""
        found: list[Finding] = []
        for line in lines:
            for entry in await self._ledger(line):
                if entry.intent.kind.moves_money and entry.key in claims:
                    problems = await self._decided(line, entry, claims[entry.key])
                    found += [line.breaks(Invariant.DECIDED, problem) for problem in problems]
        return found

    async def _decided(self, line: Line, entry: LedgerEntry, version: int) -> list[str]:
        intent, stores = entry.intent, self._stores
        try:
            state = await stores.cases.load(line.case_id, line.branch, at=version)
            named = intent.approval_id
            approval = await stores.approvals.read(named) if named else None
        except _DAMAGED as error:
            return [f"what decided {entry.key} cannot be read: {type(error).__name__}"]
        return list(decision_problems(intent, state.get(PolicySection), approval))

    async def _outside(self, lines: Sequence[Line]) -> list[Finding]:
        """One customer's cases against the provider and the mail system.

        What goes on meanwhile differs for a moment: only what differs twice is said.
        """
        found = await self._differences(lines)
        again = await self._differences(lines) if found else []
        return [one for one in found if one in again]

    async def _differences(self, lines: Sequence[Line]) -> list[Finding]:
        """The outside first, and then the ledger, which is written before anything leaves."""
        charges = await self._check.payments.find_charges(lines[0].customer_id)
        sent = await sent_mails(self._stores.sandbox, [one.case_id for one in lines])
        keys = {refund.key for charge in charges for refund in charge.refunds if refund.key}
        books = {entry.key: entry for entry in await self._of_keys(keys)}
        found: list[Finding] = []
        for line in lines:
            entries = await self._ledger(line)
            books |= {entry.key: entry for entry in entries if entry.intent.kind.moves_money}
            own = [mail for mail in sent if mail.case_id == line.case_id]
            answer = answer_problems(line.status, entries, own, charges)
            found += [line.breaks(Invariant.ONE_ANSWER, problem) for problem in answer]
            found += [line.breaks(Invariant.ON_RECORD, one) for one in mail_problems(entries, own)]
        for differs in books_problems(charges, books):
            if not await self._is_explained(differs):
                cases = differs.case_ids or [line.case_id for line in lines]
                found += [differs.finding(case_id) for case_id in cases]
        return found

    async def _is_explained(self, differs: BooksProblem) -> bool:
        """It was only not on the list, or a person has looked into it and left it as it is."""
        if differs.missing and await self._check.payments.look_up(differs.missing):
            return True
        task = differs.task
        return task is not None and await self._entries.is_finished(TaskKind.DIFFERENCE, task)

    async def _ledger(self, line: Line) -> Sequence[LedgerEntry]:
        return await _readable(self._entries.of_case(line.case_id, line.branch))

    async def _of_keys(self, keys: Collection[str]) -> Sequence[LedgerEntry]:
        return await _readable(self._entries.of_keys(keys))


async def _readable(entries: Awaitable[Sequence[LedgerEntry]]) -> Sequence[LedgerEntry]:
    """None of them where an intent was damaged: the chain of hashes finds that, and names it."""
    try:
        return await entries
    except ValueError:
        return ()


def _audited(problems: Iterable[str]) -> Iterator[Finding]:
    for problem in problems:
        named = _NAMED.match(problem)
        yield Finding(
            invariant=Invariant.AUDITED,
            case_id=named and named[1],
            branch=named and (named[2] or MAIN),
            problem=problem,
        )


def _by_customer(lines: Iterable[Line]) -> Mapping[str, list[Line]]:
    """The main lines by their customer; nothing of a branch leaves."""
    customers: dict[str, list[Line]] = {}
    for line in lines:
        if line.branch == MAIN:
            customers.setdefault(line.customer_id, []).append(line)
    return customers


async def _side_by_side(
    check: Callable[[T], Awaitable[list[Finding]]], items: Iterable[T]
) -> list[Finding]:
    """What checking each of them finds; a few at a time, in their order."""
    few = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def in_turn(item: T) -> list[Finding]:
        async with few:
            return await check(item)

    found = await asyncio.gather(*(in_turn(item) for item in items))
    return [one for part in found for one in part]
