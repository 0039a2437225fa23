"""The audit trail: read it, check its chains, and say where they end."""

import itertools
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from cases.errors import CaseNotFound, DamagedBody
from cases.records import Record
from cases.sizes import unpack, unpack_text
from stores.chain import check_chain, name_of
from stores.customer_keys import ERASED, ERASED_TEXT, CustomerKeys
from stores.heads import Head
from stores.postgres import Pool, fetch_row, fetch_rows
from stores.steps import storable

#: So many cases are verified with one query, and so many heads are read at a time.
_CASES_AT_ONCE = 100
_HEADS_AT_ONCE = 5000
#: Archived texts are large.
_TEXTS_AT_ONCE = 10
#: Above every seq.
_NEWEST = 2**63 - 1
#: Shown in place of a value that was damaged; no section is a text.
_DAMAGED = "(damaged)"


class AuditRow(Record):
    """One thing that was written, claimed, settled, decided or refused."""

    seq: int
    version: int
    at: datetime
    actor: str
    event: str
    step: str
    section: str | None
    old_version: int | None
    #: The section before and after, whole.
    old_value: Any
    value: Any
    detail: str
    hash: str


class CheckedCases(Record):
    """What verifying some cases came to: how many rows each has, and what is wrong."""

    rows: dict[tuple[str, str], int]
    findings: list[str]


class PostgresAudit:
    """Reads the append-only trail."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def trail(
        self, case_id: str, branch: str, *, limit: int = 1000, before: int | None = None
    ) -> list[AuditRow]:
        """The newest rows, or the newest below the seq `before`; newest first.

        Raises CaseNotFound.
        """
        below = _NEWEST if before is None else min(before, _NEWEST)
        rows = await fetch_rows(self._pool, "read_audit", case_id, branch, below, limit)
        if not rows:
            raise CaseNotFound(case_id, branch)
        clear = await self._keys.opened(rows)
        return [_audit_row(row) for row in clear if row["seq"] is not None]

    async def verify(self, case_id: str, branch: str) -> list[str]:
        """What is wrong with one case's chain, one sentence a finding; empty if it holds.

        Raises CaseNotFound.
        """
        checked = await self.check([(case_id, branch)])
        if not checked.rows:
            raise CaseNotFound(case_id, branch)
        return checked.findings

    async def check(self, cases: Sequence[tuple[str, str]]) -> CheckedCases:
        """Check the chains of these cases, all as they are at one moment; skips unknown ones."""
        found = await fetch_rows(
            self._pool, "read_chains", [case[0] for case in cases], [case[1] for case in cases]
        )
        # The chain is over what is stored; only an intent is hashed as it was claimed.
        intents = await self._keys.opened({"intent": row["intent"]} for row in found)
        stored = [{**dict(row.items()), **clear} for row, clear in zip(found, intents, strict=True)]
        rows: dict[tuple[str, str], int] = {}
        findings: list[str] = []
        for case, group in itertools.groupby(stored, lambda row: (row["case_id"], row["branch"])):
            chain = list(group)
            rows[case] = sum(row["seq"] is not None for row in chain)
            findings += check_chain(chain)
        return CheckedCases(rows=rows, findings=findings)

    async def check_all(self) -> AsyncGenerator[CheckedCases]:
        """Check every case, some at a time."""
        after = ("", "")
        while page := await self._page(after, _CASES_AT_ONCE):
            keys = [(row["case_id"], row["branch"]) for row in page]
            yield await self.check(keys)
            after = keys[-1]

    async def check_archive(self, case_id: str | None) -> AsyncGenerator[str]:
        """The archived texts of one case, or of all, that are not what their digest says."""
        after = ("", "")
        while page := await fetch_rows(self._pool, "list_archive", *after, case_id, _TEXTS_AT_ONCE):
            for row in await self._keys.opened(page):
                after = (row["case_id"], row["digest"])
                if not _fits_its_digest(row):
                    yield f"case {row['case_id']}: the archived text {row['digest']} was changed"

    async def strays(self) -> list[str]:
        """What belongs to a case that is not there, one sentence a finding."""
        return [
            f"{name_of(row['case_id'], row['branch'])}: it is gone, "
            f"but {row['rows']} of its rows are left in {row['name']}"
            for row in await fetch_rows(self._pool, "list_strays")
        ]

    async def heads(self, since: datetime | None) -> AsyncGenerator[tuple[datetime, list[Head]]]:
        """Where the chains end that grew since then, or all; with the database's time.

        The time is that of the first answer: what happened later is left to the next call.
        """
        if since is not None:
            rows = await fetch_rows(self._pool, "heads_since", since)
            if rows:
                yield rows[0]["at"], [_head(row) for row in rows]
            return
        after, at = ("", ""), None
        while page := await self._page(after, _HEADS_AT_ONCE):
            at = at or page[0]["at"]
            yield at, [_head(row) for row in page]
            after = (page[-1]["case_id"], page[-1]["branch"])

    async def unlike(self, heads: Sequence[Head]) -> list[tuple[Head, bool, bool]]:
        """The heads that the tables do not bear out; and: is the case there, is the row?"""
        columns = [list(column) for column in zip(*heads, strict=True)] or [[], [], [], []]
        rows = await fetch_rows(self._pool, "unlike_heads", *columns)
        return [(heads[row["place"] - 1], row["has_case"], row["has_row"]) for row in rows]

    async def note(
        self, case_id: str, branch: str, actor: str, event: str, detail: str, *, once: str = ""
    ) -> None:
        """Record something that was asked or refused, without a change of the case's state.

        With a key `once` the same note is recorded once.
        """
        detail = (await self._keys.of_case(case_id)).text(storable(detail))
        await fetch_row(self._pool, "note_event", case_id, branch, actor, event, detail, once)

    async def _page(self, after: tuple[str, str], size: int) -> list[asyncpg.Record]:
        return await fetch_rows(self._pool, "list_heads", *after, size)


def _head(row: asyncpg.Record) -> Head:
    return Head(row["case_id"], row["branch"], row["seq"], bytes(row["hash"]).hex())


def _fits_its_digest(row: Mapping[str, Any]) -> bool:
    if row["body"] == ERASED:
        return True
    try:
        unpack_text(row["digest"], row["encoding"], row["body"], expected_bytes=row["bytes"])
    except DamagedBody:
        return False
    return True


def _audit_row(row: Mapping[str, Any]) -> AuditRow:
    return AuditRow(
        old_value=_value(row, "old_"),
        value=_value(row, ""),
        hash=bytes(row["hash"]).hex(),
        **{key: row[key] for key in (
            "seq", "version", "at", "actor", "event", "step", "section", "old_version", "detail")},
    )  # fmt: skip


def _value(row: Mapping[str, Any], which: str) -> Any:
    body = row[f"{which}body"]
    if body is None:
        return None
    if body == ERASED:
        return ERASED_TEXT
    try:
        return json.loads(unpack(row[f"{which}encoding"], body, row[f"{which}bytes"]))
    except (DamagedBody, ValueError):
        return _DAMAGED  # a trail must be readable above all where someone tampered with it
