"""The ledger as the reconciliation reads it: in pages, with what was claimed."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from cases.comparison import LedgerEntry
from cases.effects import EffectIntent
from cases.ports import EndedRun
from cases.reconciliation import OpenLine, Place, UnendedCase
from cases.tasks import TaskKind
from stores.customer_keys import CustomerKeys, readable
from stores.postgres import Pool, fetch_row, fetch_rows

_AT_ONCE = 200
#: Before anything that was ever claimed.
_FIRST: Place = (datetime(1970, 1, 1, tzinfo=UTC), "")


class PostgresEntries:
    """Fits `cases.reconciliation.Entries`."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def open_effects(
        self, after: Place | None, *, older_than: timedelta, everything: bool
    ) -> Sequence[LedgerEntry]:
        """The next effects that are to be looked at, oldest first."""
        rows = await fetch_rows(
            self._pool, "list_open_effects", *(after or _FIRST), older_than, everything, _AT_ONCE
        )
        return await self._entries(rows)

    async def looked_at(self, key: str) -> None:
        """Note that the outside was asked and told nothing new."""
        await fetch_row(self._pool, "note_looked_at", key)

    async def of_case(self, case_id: str, branch: str) -> Sequence[LedgerEntry]:
        """All effects of a case, in the order in which they were claimed."""
        rows = await fetch_rows(self._pool, "case_entries", case_id, branch)
        return await self._entries(rows)

    async def of_keys(self, keys: Collection[str]) -> Sequence[LedgerEntry]:
        """The refunds of those keys that there are."""
        rows = await fetch_rows(self._pool, "refunds_of_keys", list(keys))
        return await self._entries(rows)

    async def made_within(self, days: int, after: Place | None) -> Sequence[LedgerEntry]:
        """The next refunds of so many days that the ledger says were made, oldest first."""
        rows = await fetch_rows(
            self._pool, "refunds_made_within", days, *(after or _FIRST), _AT_ONCE
        )
        return await self._entries(rows)

    async def unended(self, runs: Collection[EndedRun]) -> Sequence[UnendedCase]:
        """The cases of those runs that have not ended, or whose end no person was told of."""
        given = list(runs)
        rows = await fetch_rows(
            self._pool, "list_unended", [r.case_id for r in given], [r.branch for r in given]
        )
        return [
            UnendedCase(run=given[int(row["place"]) - 1], customer_id=row["customer_id"])
            for row in rows
        ]

    async def idle(self, longer_than: timedelta) -> AsyncIterator[OpenLine]:
        """What is open on record, and on which nothing has gone on for so long."""
        for row in await fetch_rows(self._pool, "list_promoting", longer_than):
            yield OpenLine(**row, promotion=True)
        place = (*_FIRST, "")
        while rows := await fetch_rows(self._pool, "list_idle", *place, longer_than, _AT_ONCE):
            for row in rows:
                yield OpenLine(case_id=row["case_id"], branch=row["branch"])
            place = (rows[-1]["opened_at"], rows[-1]["case_id"], rows[-1]["branch"])

    async def is_finished(self, kind: TaskKind, subject: str) -> bool:
        """Whether a person has finished the task of that subject."""
        row = await fetch_row(self._pool, "is_task_finished", kind, subject)
        return row is not None and bool(row["finished"])

    async def _entries(self, rows: Sequence[asyncpg.Record]) -> list[LedgerEntry]:
        return [_entry(row) for row in await self._keys.opened(rows)]


def _entry(row: Mapping[str, Any]) -> LedgerEntry:
    intent = EffectIntent.model_validate_json(readable(row["intent"], row["case_id"]))
    return LedgerEntry(
        intent=intent,
        **{key: row[key] for key in ("state", "receipt", "claimed_at", "age")},
    )
