"""Verifying the record: every chain, and every signed head, against what the tables hold."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from cases.errors import CaseNotFound
from cases.records import Record
from stores.audit import CheckedCases, PostgresAudit
from stores.chain import name_of
from stores.heads import Head, HeadsReader

#: So many heads are compared with one query.
_HEADS_AT_ONCE = 5000

Case = tuple[str, str]


class Report(Record):
    """What verifying came to."""

    findings: list[str]
    cases: int
    rows: int
    #: Up to when, by the database's clock, heads are signed; None where none is.
    signed_until: datetime | None
    #: How many rows no head covers yet.
    not_signed: int

    @property
    def ok(self) -> bool:
        return not self.findings


async def verify(audit: PostgresAudit, reader: HeadsReader, only: Case | None = None) -> Report:
    """Verify every case, or one; raises CaseNotFound for one that nobody ever knew.

    The heads are read before the rows: a case may grow meanwhile, and no head may run ahead.
    """
    heads = _Heads(audit, only)
    await heads.compare(reader)
    not_signed = cases = rows = 0
    findings = [*reader.findings, *heads.findings()]
    async for checked in _checked(audit, only):
        cases += len(checked.rows)
        rows += sum(checked.rows.values())
        findings += checked.findings
        for case, count in checked.rows.items():
            not_signed += max(0, count - heads.newest.get(case, 0))
    findings += [found async for found in audit.check_archive(only and only[0])]
    if only is None:
        findings += await audit.strays()
    elif not cases and only not in heads.newest:
        raise CaseNotFound(*only)
    return Report(
        findings=findings,
        cases=cases,
        rows=rows,
        signed_until=heads.until,
        not_signed=not_signed,
    )


async def _checked(audit: PostgresAudit, only: Case | None) -> AsyncGenerator[CheckedCases]:
    if only is not None:
        yield await audit.check([only])
        return
    async for checked in audit.check_all():
        yield checked


class _Heads:
    """Compares signed heads with the rows, and keeps the newest of each case."""

    def __init__(self, audit: PostgresAudit, only: Case | None) -> None:
        self._audit, self._only = audit, only
        self._waiting: list[tuple[Head, datetime]] = []
        #: By case and problem: the first head that has it, and the last one before that has none.
        self._broken: dict[tuple[Case, str], tuple[int, datetime, int]] = {}
        self._intact: dict[Case, int] = {}
        self.newest: dict[Case, int] = {}
        self.until: datetime | None = None

    async def compare(self, reader: HeadsReader) -> None:
        """Compare every head of the file; raises UnusableKey, OSError."""
        for line in reader.lines():
            self.until = max(self.until or line.at, line.at)
            for head in line.heads:
                if self._only in (None, head.case):
                    self.newest[head.case] = max(head.seq, self.newest.get(head.case, 0))
                    self._waiting.append((head, line.at))
            if len(self._waiting) >= _HEADS_AT_ONCE:
                await self._flush()
        await self._flush()

    def findings(self) -> list[str]:
        """One sentence for each case and problem."""
        found: list[str] = []
        for (case, problem), (seq, at, intact) in sorted(self._broken.items()):
            signed = f"signed at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            where = f"{name_of(*case)}, row {seq}"
            found.append(f"{where}: {problem.format(signed=signed, intact=intact)}")
        return found

    async def _flush(self) -> None:
        heads = [head for head, _ in self._waiting]
        unlike = {
            head: _problem(has_case, has_row)
            for head, has_case, has_row in await self._audit.unlike(heads)
        }
        for head, at in self._waiting:
            if head in unlike:
                found = (head.seq, at, self._intact.get(head.case, 0))
                key = (head.case, unlike[head])
                self._broken[key] = min(found, self._broken.get(key, found))
            else:
                self._intact[head.case] = max(head.seq, self._intact.get(head.case, 0))
        self._waiting.clear()


def _problem(has_case: bool, has_row: bool) -> str:
    if not has_case:
        return "it was {signed}, and is gone with its whole case"
    if not has_row:
        return "it was {signed}, and is missing"
    return "it is not the row that was {signed}: something after row {intact} was changed"
