"""The audit trail: read it, and verify its hash chain."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from cases.errors import CaseNotFound
from cases.records import Record
from stores.postgres import Pool, fetch_row, fetch_rows
from stores.steps import storable


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
    value: Any
    detail: str
    hash: str


class PostgresAudit:
    """Reads the append-only trail."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def trail(self, case_id: str, branch: str) -> list[AuditRow]:
        """All rows, oldest first; raises CaseNotFound."""
        rows = await fetch_rows(self._pool, "read_audit", case_id, branch)
        if not rows:
            raise CaseNotFound(case_id, branch)
        return [_audit_row(row) for row in rows]

    async def verify(self, case_id: str, branch: str) -> list[str]:
        """What is wrong with the chain, one sentence a finding; empty if it holds.

        Raises CaseNotFound.
        """
        rows = await fetch_rows(self._pool, "read_chain", case_id, branch)
        if not rows:
            raise CaseNotFound(case_id, branch)
        return check_chain(case_id, branch, rows)

    async def note(self, case_id: str, branch: str, actor: str, event: str, detail: str) -> None:
        """Record something that was asked or refused, without a change of the case's state."""
        detail = storable(detail)
        await fetch_row(self._pool, "note_event", case_id, branch, actor, event, detail)


def check_chain(case_id: str, branch: str, chain: Sequence[asyncpg.Record]) -> list[str]:
    """Recompute every hash of the rows of read_chain, and compare what the case's row says."""
    findings: list[str] = []
    previous = b""
    case = chain[0]
    rows = [row for row in chain if row["seq"] is not None]
    for expected_seq, row in enumerate(rows, start=1):
        where = f"case {case_id}, row {row['seq']}"
        if row["seq"] != expected_seq:
            return [*findings, f"{where}: row {expected_seq} is missing"]
        findings += [f"{where}: {problem}" for problem in _problems(case_id, branch, row, previous)]
        previous = row["hash"]
    if (len(rows), previous) != (case["audit_seq"], case["audit_head"]):
        findings.append(f"case {case_id}: the trail does not end where the case says")
    for kind, event in (("sections", "section_written"), ("messages", "message_received")):
        if case[kind] > (recorded := sum(row["event"] == event for row in rows)):
            findings.append(f"case {case_id}: {case[kind]} {kind}, but only {recorded} on record")
    return findings


def _problems(case_id: str, branch: str, row: asyncpg.Record, previous: bytes) -> list[str]:
    checks = {
        "does not follow the row before it": row["prev_hash"] == previous,
        "was changed": row["hash"] == _hash(case_id, branch, row),
        "the value it recorded was changed": _has_its_value(row),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _has_its_value(row: asyncpg.Record) -> bool:
    if row["event"] == "section_written":
        return row["body"] is not None and hashlib.sha256(row["body"]).digest() == row["body_hash"]
    return row["event"] != "message_received" or bool(row["message_found"])


def _hash(case_id: str, branch: str, row: asyncpg.Record) -> bytes:
    fields = (
        case_id, branch, str(row["seq"]), str(row["version"]), str(_microseconds(row["at"])),
        row["actor"], row["event"], row["step"], row["section"] or "",
        "" if row["old_version"] is None else str(row["old_version"]),
        bytes(row["body_hash"]).hex(), row["detail"],
    )  # fmt: skip
    framed = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (f.encode() for f in fields))
    return hashlib.sha256(bytes(row["prev_hash"]) + framed).digest()


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _audit_row(row: asyncpg.Record) -> AuditRow:
    return AuditRow(
        value=json.loads(row["body"]) if row["body"] is not None else None,
        hash=bytes(row["hash"]).hex(),
        **{key: row[key] for key in (
            "seq", "version", "at", "actor", "event", "step", "section", "old_version", "detail")},
    )  # fmt: skip
