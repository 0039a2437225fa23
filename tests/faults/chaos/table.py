"""The table of runs of chaos."""

from collections import Counter

from tests.faults.chaos.outcome import Outcome
from tests.faults.chaos.plan import Kind, Plan

#: Cases that two workers on two cores take a second, with the faults.
_CASES_A_SECOND = 5
_COLUMNS = ("seed", "cases", *Kind, "lost", "duplicates", "wrong rows", "extra calls", "seconds")
HEAD = " | ".join(_COLUMNS)


def seconds_for(cases: int) -> float:
    """For how long faults happen where nobody says; 120 cases take 60 seconds."""
    return max(60.0, 1.5 * cases / _CASES_A_SECOND)


def line(plan: Plan, outcome: Outcome) -> str:
    """What one run came to, under HEAD."""
    faults = Counter(fault.kind for fault in plan.faults)
    cells = (
        plan.seed,
        len(plan.cases),
        *(faults[kind] for kind in Kind),
        len(outcome.lost),
        len(outcome.duplicated),
        sum(map(len, outcome.wrong_rows.values())),
        outcome.extra_calls,
        round(outcome.seconds),
    )
    return " | ".join(
        str(cell).rjust(len(name)) for cell, name in zip(cells, _COLUMNS, strict=True)
    )
