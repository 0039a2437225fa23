"""`casekeeper history`: a case's checkpoints."""

from typing import Annotated, Any

import typer
from rich.filesize import decimal

from cases.ids import MAIN, parse_checkpoint_id
from starters.case_view import checkpoint_place
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
from stores.cases import Checkpoint


def history(
    case: CaseArgument,
    branch: BranchOption = MAIN,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest ones.")
    ] = 1000,
    before: Annotated[
        str | None, typer.Option("--before", help="Only those before a checkpoint, such as main.7.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List a case's checkpoints, oldest first."""
    execute(_history(case, branch, limit, before), as_json, _print)


async def _history(case_id: str, branch: str, limit: int, before: str | None) -> dict[str, Any]:
    version = None
    if before is not None:
        branch, version = checkpoint_place(before)
    async with open_records() as stores:
        found = await stores.cases.history(case_id, branch, limit=limit, before=version)
        return {
            "case_id": case_id,
            "checkpoints": [checkpoint.model_dump(mode="json") for checkpoint in found],
            "next_before": next_before(found),
        }


def next_before(found: list[Checkpoint]) -> str | None:
    """Where the next older page of the branch begins; None where there is nothing older."""
    parent = found[0].parent_checkpoint_id if found else None
    if parent is None or parse_checkpoint_id(parent)[0] != found[0].branch:
        return None
    return found[0].checkpoint_id


def _print(result: dict[str, Any]) -> None:
    table = plain_table("checkpoint", "at (UTC)", "status", "size", "step")
    table.columns[1].no_wrap = True
    for checkpoint in result["checkpoints"]:
        table.add_row(
            checkpoint["checkpoint_id"],
            checkpoint["created_at"][:19].replace("T", " "),
            checkpoint["status"].replace("_", " "),
            decimal(checkpoint["size"]).replace("bytes", "B"),
            plain_step(checkpoint["step"]),
        )
    out.print(table)
    if result["next_before"]:
        older = f"`casekeeper history {result['case_id']} --before {result['next_before']}`"
        out.print(f"There are older ones: {older}.", style="dim", markup=False)
    out.print(
        f"Look at one with `casekeeper show {result['case_id']} --at CHECKPOINT`.", style="dim"
    )
