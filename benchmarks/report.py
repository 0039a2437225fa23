"""The table of the state layer's benchmark, for pages and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

MERGE, COMMIT, LOAD = "section merge", "step commit", "checkpoint load"
#: The most that a step commit may cost: in bare ones, and at the largest state in the smallest.
BARE_GOAL, GROWTH_GOAL = 1.5, 2.0

_COLUMNS = (
    "operation", "state", "p50 ms", "per s", "bare p50 ms", "ratio to bare",
    "ratio to smallest state", "transaction to bare",
)  # fmt: skip
_NOTES = """
Bare: of a merge one HSET of the section; of a commit its four statements as one, on equal tables;
of a load one SELECT of the same bodies. Transaction: those four statements between BEGIN and
COMMIT. Medians of the rounds; one client and one connection, one operation after another."""


@dataclass(frozen=True)
class Row:
    """One operation on a state of one size; ratios are of medians that were measured in turn."""

    operation: str
    #: What is written; None of a load, which reads everything.
    section: str | None
    moved_bytes: int
    state_bytes: int
    runs: int
    p50_ms: float
    per_s: float
    bare_p50_ms: float
    to_bare: float
    to_smallest: float
    transaction_to_bare: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        transaction = self.transaction_to_bare
        return (
            f"{self.operation}, {_size(self.moved_bytes)}",
            _size(self.state_bytes),
            f"{self.p50_ms:.2f}",
            f"{self.per_s:,.0f}",
            f"{self.bare_p50_ms:.2f}",
            f"{self.to_bare:.2f}",
            f"{self.to_smallest:.2f}",
            "" if transaction is None else f"{transaction:.2f}",
        )


def as_table(rows: Sequence[Row]) -> str:
    """A Markdown table, its notes, and what was reached of the goals."""
    rule = tuple("-" * len(column) for column in _COLUMNS)
    lines = [_COLUMNS, rule, *(row.cells for row in rows)]
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in lines), _NOTES, "", *goals(rows)])


def as_json(rows: Sequence[Row]) -> str:
    """One JSON document."""
    return json.dumps({"rows": [asdict(row) for row in rows], "goals": goals(rows)}, indent=2)


def goals(rows: Sequence[Row]) -> list[str]:
    """A sentence for each goal, with what was measured."""
    commits = [row for row in rows if row.operation == COMMIT]
    worst = max(row.to_bare for row in commits)
    smallest = min(row.moved_bytes for row in commits)
    growth = max(row.to_smallest for row in commits if row.moved_bytes == smallest)
    return [
        f"Step commit: at most {worst:.2f} bare ones; the goal is {BARE_GOAL}.",
        f"The same section in the largest state: {growth:.2f} times; the goal is {GROWTH_GOAL}.",
    ]


def _size(count: int) -> str:
    kilobytes = count / 1000
    return f"{kilobytes:.0f} KB" if kilobytes >= 1 else f"{kilobytes:.1f} KB"
