"""`casekeeper diff`: what changed in a case between two checkpoints."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from cases.diff import diff as changes_between
from cases.text import shorten
from starters.case_view import checkpoint_place
from starters.session import open_records
from starters.terminal import CaseArgument, JsonFlag, execute, out, plain_table, visible

#: Longer values are cut for people; `--json` has all of them.
_LONGEST_VALUE = 400


def diff(
    case: CaseArgument,
    before: Annotated[
        str, typer.Argument(metavar="A", help="A checkpoint, such as main.3.", show_default=False)
    ],
    after: Annotated[
        str, typer.Argument(metavar="B", help="Another one, such as main.7.", show_default=False)
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show what changed from checkpoint A to B."""
    execute(_diff(case, before, after), as_json, _print)


async def _diff(case_id: str, before: str, after: str) -> dict[str, Any]:
    places = [checkpoint_place(checkpoint) for checkpoint in (before, after)]
    async with open_records() as stores:
        old, new = [await stores.cases.load(case_id, branch, at=at) for branch, at in places]
    return {
        "case_id": case_id,
        "before": old.checkpoint_id,
        "after": new.checkpoint_id,
        "changes": [change.model_dump(mode="json") for change in changes_between(old, new)],
    }


def _print(result: dict[str, Any]) -> None:
    if not result["changes"]:
        out.print(f"{result['before']} and {result['after']} hold the same.", markup=False)
        return
    table = plain_table("what", result["before"], result["after"])
    for change in result["changes"]:
        said = _says_something(change["before"]) or _says_something(change["after"])
        if said and not change["path"].endswith(".schema_version"):
            values = [Text(_plain(change[side])) for side in ("before", "after")]
            table.add_row(Text(visible(change["path"]), style="cyan"), *values)
    out.print(table)


def _says_something(value: Any) -> bool:
    """A section that was just written has fields that are empty still: people need not see them."""
    return value not in (None, "", [], {})


def _plain(value: Any) -> str:
    """Text without its quotes, other values as JSON, nothing as a dash."""
    if value is None:
        return "–"
    text = json.dumps(value, ensure_ascii=False)
    return shorten(visible(text[1:-1] if isinstance(value, str) else text), _LONGEST_VALUE)
