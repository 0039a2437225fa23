"""`casekeeper history`: a case's checkpoints, and the branches that were forked from them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.text import Text
from rich.tree import Tree

from cases.branches import Branch
from cases.errors import InvalidInput
from cases.ids import MAIN, checkpoint_id
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
    visible,
)
from stores.cases import Checkpoint


def history(  # noqa: PLR0917  typer reads the options from the signature
    case: CaseArgument,
    branch: BranchOption = MAIN,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest ones.")
    ] = 1000,
    before: Annotated[
        str | None, typer.Option("--before", help="Only those before a checkpoint, such as main.7.")
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="All branches, below what they were forked from.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List a case's checkpoints, oldest first; a branch's past is that of its parent."""
    if not tree:
        execute(_history(case, branch, limit, before), as_json, _print)
    elif branch != MAIN or before is not None:
        raise InvalidInput("--tree", "shows all branches: leave out --branch and --before")
    else:
        execute(_tree(case, limit), as_json, _print_tree)


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


async def _tree(case_id: str, limit: int) -> dict[str, Any]:
    """All lines of the case, and of each its own checkpoints, so many of the newest."""
    found: list[Checkpoint] = []
    async with open_records() as stores:
        lines = await stores.branches.tree(case_id)
        for line in lines:
            page = await stores.cases.history(case_id, line.branch, limit=limit)
            found += [checkpoint for checkpoint in page if checkpoint.branch == line.branch]
    return {
        "case_id": case_id,
        "checkpoints": [checkpoint.model_dump(mode="json") for checkpoint in found],
        "next_before": None,
        "branches": [
            line.model_dump(mode="json") | {"stale": is_stale(line, lines)} for line in lines
        ],
    }


def is_stale(line: Branch, lines: Sequence[Branch]) -> bool:
    """Whether the main line did something since the branch was made, and the branch was not it."""
    now = next((other.version for other in lines if other.is_main), None)
    return not line.is_main and line.promoted_at is None and line.base_version != now


def next_before(found: Sequence[Checkpoint]) -> str | None:
    """Where the next older page begins; None where there is nothing older."""
    older = bool(found) and found[0].parent_checkpoint_id is not None
    return found[0].checkpoint_id if older else None


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


def _print_tree(result: dict[str, Any]) -> None:
    case_id, lines = result["case_id"], result["branches"]
    tree = Tree(Text(case_id, style="bold"), guide_style="dim")
    steps = {one["checkpoint_id"]: one["step"] for one in result["checkpoints"]}
    for line in lines:
        if line["parent_branch"] is None:
            _grow(tree, line, lines, steps)
    out.print(tree)
    look = f"`casekeeper history {case_id} --branch BRANCH`"
    fork = f"`casekeeper fork {case_id} --at CHECKPOINT`"
    hint = f"Look at one with {look}." if len(lines) > 1 else f"Begin a branch with {fork}."
    out.print(hint, style="dim", markup=False)


def _grow(
    node: Tree, line: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], steps: dict[str, str]
) -> None:
    """Add a line, and below it each checkpoint that others were forked from, with those."""
    node = node.add(_label(line))
    forks = [fork for fork in lines if fork["parent_branch"] == line["branch"]]
    places: dict[str, Tree] = {}
    for fork in sorted(forks, key=lambda fork: fork["parent_version"]):
        place = checkpoint_id(line["branch"], fork["parent_version"])
        if place not in places:
            step = Text(f"  {plain_step(steps.get(place, ''))}", style="dim")
            places[place] = node.add(Text(place).append_text(step))
        _grow(places[place], fork, lines, steps)


def _label(line: Mapping[str, Any]) -> Text:
    label = Text(line["branch"], style="cyan")
    label.append(f"  {line['status'].replace('_', ' ')}", style="default")
    if line["forked_by"] is not None:
        at = line["opened_at"][:16].replace("T", " ")
        label.append(f"  forked {at} by {visible(line['forked_by'])}", style="dim")
    if line["promoted_at"]:
        label.append("  promoted", style="green")
    return label.append("  stale", style="yellow") if line["stale"] else label
