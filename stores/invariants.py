"""What the tables alone say of the invariants: in pages, of one moment each, and read only."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cases.errors import CaseNotFound
from cases.ids import MAIN
from cases.invariants import Finding, Invariant, Line
from cases.records import Record
from cases.state import CaseStatus
from stores.postgres import Pool, fetch_rows

#: So many lines are checked with one query.
_AT_ONCE = 100


class Scope(Record):
    """Which cases are checked; without any of these, all that there are."""

    #: These cases, with their branches.
    case_ids: tuple[str, ...] | None = None
    #: Those that are open or went on since then.
    since: datetime | None = None

    @property
    def everything(self) -> bool:
        return self.case_ids is None and self.since is None


class OpenText(NamedTuple):
    """A text that is kept as it is, and where it stands: "case_audit.detail"."""

    case_id: str
    branch: str
    place: str
    text: str


class PostgresInvariants:
    """Reads what must hold, and where it does not."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pages(self, scope: Scope) -> AsyncGenerator[Sequence[Line]]:
        """The lines to be checked, some at a time; raises CaseNotFound for an unknown case."""
        ids = None if scope.case_ids is None else list(scope.case_ids)
        for row in await fetch_rows(self._pool, "unknown_cases", ids or []):
            raise CaseNotFound(row["case_id"], MAIN)
        after = ("", "")
        while rows := await fetch_rows(
            self._pool, "list_lines", *after, ids, scope.since, _AT_ONCE
        ):
            yield [
                Line(
                    *(row["case_id"], row["branch"], row["customer_id"]),
                    *(CaseStatus(row["status"]), row["erased"]),
                )
                for row in rows
            ]
            after = (rows[-1]["case_id"], rows[-1]["branch"])

    async def breaches(
        self, lines: Sequence[Line], *, settled: bool, calls: int
    ) -> Sequence[Finding]:
        """What these lines break, all of one moment.

        With `settled` nothing may be on its way any more; `calls` is how many calls of models a
        case may make.
        """
        rows = await fetch_rows(self._pool, "breaches", *_named(lines), settled, calls)
        return [
            Finding(
                invariant=Invariant(row["invariant"]),
                case_id=row["case_id"],
                branch=row["branch"],
                problem=row["problem"],
            )
            for row in rows
        ]

    async def money_claims(self, lines: Sequence[Line]) -> Mapping[str, int]:
        """By its key, the version of its case at which each refund of these lines was claimed."""
        rows = await fetch_rows(self._pool, "list_money_claims", *_named(lines))
        return {row["key"]: row["version"] for row in rows}

    async def unfit_for_money(self) -> Sequence[str]:
        """What could hold a fraction of a minor unit, one sentence each."""
        return [row["problem"] for row in await fetch_rows(self._pool, "unfit_for_money")]

    async def open_texts(self, lines: Sequence[Line]) -> Sequence[OpenText]:
        """The texts of these lines that are kept as they are and could hold something private."""
        rows = await fetch_rows(self._pool, "list_open_texts", *_named(lines))
        return [OpenText(**dict(row)) for row in rows]


def _named(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    return [one.case_id for one in lines], [one.branch for one in lines]
