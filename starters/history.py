"""`casekeeper history`: a case's checkpoints."""

from typing import Annotated, Any

import typer

from cases.ids import MAIN
from starters.session import open_records
from starters.terminal import (
    BranchOption,
    CaseArgument,
    JsonFlag,
    execute,
    out,
    plain_step,
    plain_table,
)


def history(
    case: CaseArgument,
    branch: BranchOption = MAIN,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many checkpoints.")
    ] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """List a case's checkpoints, oldest first."""
    execute(_history(case, branch, limit), as_json, _print)


async def _history(case_id: str, branch: str, limit: int) -> dict[str, Any]:
    async with open_records() as stores:
        found = await stores.cases.history(case_id, branch, limit)
        return {"case_id": case_id, "checkpoints": [c.model_dump(mode="json") for c in found]}


def _print(result: dict[str, Any]) -> None:
    table = plain_table("checkpoint", "at (UTC)", "status", "step")
    for checkpoint in result["checkpoints"]:
        table.add_row(
            checkpoint["checkpoint_id"],
            checkpoint["created_at"][:19].replace("T", " "),
            checkpoint["status"].replace("_", " "),
            plain_step(checkpoint["step"]),
        )
    out.print(table)
    out.print(
        f"Look at one with `casekeeper show {result['case_id']} --at CHECKPOINT`.", style="dim"
    )
