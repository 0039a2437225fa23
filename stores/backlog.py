"""How much waits for people, for gauges."""

from cases.records import Record
from cases.tasks import TaskKind
from stores.postgres import Pool, fetch_rows


class Backlog(Record):
    """What waits at this moment."""

    #: Open tasks, of every kind that there is.
    tasks: dict[str, int]
    effects_unknown: int
    approvals: int
    #: For how long the oldest request has waited.
    oldest_approval_s: int


async def read_backlog(pool: Pool) -> Backlog:
    """One look at the rows that are open: their number, not their content, decides the cost."""
    rows = await fetch_rows(pool, "backlog")
    found = {row["name"]: row["number"] for row in rows}
    return Backlog(
        tasks={kind.value: found.get(f"task:{kind}", 0) for kind in TaskKind},
        effects_unknown=found["effects_unknown"],
        approvals=found["approvals"],
        oldest_approval_s=found["oldest_approval_s"],
    )
