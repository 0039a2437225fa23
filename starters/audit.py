"""`casekeeper audit`: who changed what in a case, and whether the trail is whole."""

from typing import Annotated, Any

import typer
from rich.table import Table

from cases.ids import MAIN
from cases.text import shorten
from starters.session import open_records
from starters.terminal import BranchOption, CaseArgument, JsonFlag, execute, out

#: How much of a step's name fits a column: idempotency keys are longer.
_STEP_WIDTH = 36


def audit(
    case: CaseArgument,
    branch: BranchOption = MAIN,
    verify: Annotated[bool, typer.Option("--verify", help="Check the hash chain.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print a case's audit trail, oldest first."""
    result = execute(_audit(case, branch, verify), as_json, _print)
    if verify and result["findings"]:
        raise typer.Exit(1)


async def _audit(case_id: str, branch: str, verify: bool) -> dict[str, Any]:
    async with open_records() as stores:
        rows = await stores.audit.trail(case_id, branch)
        result: dict[str, Any] = {
            "case_id": case_id,
            "branch": branch,
            "rows": [row.model_dump(mode="json") for row in rows],
        }
        if verify:
            result["findings"] = await stores.audit.verify(case_id, branch)
            result["ok"] = not result["findings"]
        return result


def _print(result: dict[str, Any]) -> None:
    table = Table("#", "at (UTC)", "who", "what", "step", "detail")
    for row in result["rows"]:
        what = row["event"].replace("_", " ")
        table.add_row(
            str(row["seq"]),
            row["at"][11:23],
            row["actor"],
            f"{what}: {row['section']}" if row["section"] else what,
            shorten(row["step"], _STEP_WIDTH),
            row["detail"],
        )
    out.print(table)
    if "findings" in result:
        for finding in result["findings"]:
            out.print(finding, style="red", markup=False)
        if result["ok"]:
            out.print(f"The chain of {len(result['rows'])} rows holds.", style="green")
