"""Cases of the past as a backtest reads them: in pages, two queries each."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg

from cases.accounts import AccountSection
from cases.approvals import ApprovalState
from cases.backtest import CustomerRefund, PastCase, SkippedCase, SkipReason
from cases.billing import BillingSection
from cases.errors import DamagedBody, InvalidInput, SchemaTooNew
from cases.money import Money
from cases.policy import PolicySection
from cases.records import Record
from cases.sections import Section
from cases.sizes import unpack
from cases.understanding import UnderstandingSection
from stores.customer_keys import ERASED, CustomerKeys
from stores.postgres import Pool, fetch_row, fetch_rows

#: So many cases are read at a time.
_AT_ONCE = 200
#: Before anything that was ever decided.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)

S = TypeVar("S", bound=Section)
Row = Mapping[str, Any]


class Span(Record):
    """Which cases are read: those decided at this time or later, of that very time from this id."""

    since: datetime
    first_case: str = ""
    #: About how many those are.
    cases: int


class Page:
    """Some cases as they came from the database."""

    def __init__(
        self, rows: Sequence[Row], refunds: Mapping[str, tuple[CustomerRefund, ...]]
    ) -> None:
        self._rows, self._refunds = rows, refunds
        self.ids = tuple(dict.fromkeys(str(row["case_id"]) for row in rows))

    def cases(self) -> Iterator[PastCase | SkippedCase]:
        """Decode them. It takes a while, and may be done in a thread."""
        for case_id, group in itertools.groupby(self._rows, lambda row: str(row["case_id"])):
            rows = list(group)
            try:
                yield self._case(case_id, rows)
            except SchemaTooNew:
                yield SkippedCase(case_id=case_id, reason=SkipReason.SCHEMA_TOO_NEW)
            except (DamagedBody, InvalidInput, ValueError, RecursionError):
                yield SkippedCase(case_id=case_id, reason=SkipReason.DAMAGED)

    def _case(self, case_id: str, rows: Sequence[Row]) -> PastCase | SkippedCase:
        first = rows[0]
        if first["decided_at"] is None:
            return SkippedCase(case_id=case_id, reason=SkipReason.NOT_DECIDED)
        if any(row["body"] == ERASED for row in rows):
            return SkippedCase(case_id=case_id, reason=SkipReason.ERASED)
        found = {row["name"]: row for row in rows if row["name"]}
        decided = _section(found, PolicySection)
        if decided is None:
            return SkippedCase(case_id=case_id, reason=SkipReason.DAMAGED)
        return PastCase(
            case_id=case_id,
            customer_id=first["customer_id"],
            decided_at=first["decided_at"],
            understanding=_section(found, UnderstandingSection),
            billing=_section(found, BillingSection),
            account=_section(found, AccountSection),
            decided=decided,
            refunds=self._refunds.get(first["customer_id"], ()),
            approval=first["approval"] and ApprovalState(first["approval"]),
            approvers_needed=first["needed"] or 1,
        )


class PostgresPastCases:
    """Reads the record, and changes nothing."""

    def __init__(
        self, pool: Pool, keys: CustomerKeys | None = None, *, at_once: int = _AT_ONCE
    ) -> None:
        self._pool, self._keys, self._at_once = pool, keys or CustomerKeys(pool), at_once

    async def span(self, since: datetime | None, limit: int | None) -> Span:
        """The cases decided since then, of those at most the newest so many."""
        places = [(since or _FIRST, "")]
        if limit is not None:
            row = await fetch_row(self._pool, "nth_newest_decision", limit)
            places += [(row["at"], row["case_id"])] if row else []
        at, first_case = max(places)
        row = await fetch_row(self._pool, "count_past_cases", at)
        return Span(since=at, first_case=first_case, cases=row["cases"] if row else 0)

    async def pages(self, span: Span) -> AsyncGenerator[Page]:
        """All of them; while a page is worked on the next one is read."""
        ahead = asyncio.ensure_future(self._read(span, ""))
        try:
            while (page := await ahead).ids:
                ahead = asyncio.ensure_future(self._after(page, span))
                yield page
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _after(self, page: Page, span: Span) -> Page:
        if len(page.ids) < self._at_once:
            return Page([], {})
        return await self._read(span, page.ids[-1])

    async def _read(self, span: Span, after: str) -> Page:
        rows = await self._keys.opened(
            await fetch_rows(
                self._pool, "list_past_cases", after, span.since, span.first_case, self._at_once
            )
        )
        customers = {str(row["customer_id"]) for row in rows if row["decided_at"]}
        cases = {str(row["case_id"]) for row in rows if row["decided_at"]}
        if not cases:
            return Page(rows, {})
        found = await fetch_rows(self._pool, "refunds_of_customers", list(customers), list(cases))
        return Page(rows, _by_customer(found))


def _by_customer(rows: Iterable[asyncpg.Record]) -> dict[str, tuple[CustomerRefund, ...]]:
    found: dict[str, list[CustomerRefund]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(_refund(row))
    return {customer_id: tuple(refunds) for customer_id, refunds in found.items()}


def _refund(row: asyncpg.Record) -> CustomerRefund:
    fields = dict(row)
    fields.pop("customer_id")
    amount = Money(amount_minor=fields.pop("amount_minor"), currency=fields.pop("currency"))
    return CustomerRefund(amount=amount, **fields)


def _section(found: Mapping[str, Row], kind: type[S]) -> S | None:
    row = found.get(kind.name)
    if row is None:
        return None
    return kind.model_validate(json.loads(unpack(row["encoding"], row["body"], row["bytes"])))
