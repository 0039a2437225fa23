"""`casekeeper diff`: what changed in a case between two checkpoints, or how two branches differ."""

import contextlib
import json
from functools import partial
from typing import Annotated, Any

import typer
from rich.text import Text

from cases.diff import diff as changes_between
from cases.errors import InvalidInput, NotFound
from cases.ids import check_identifier
from cases.state import CaseState
from cases.text import shorten
from starters.case_view import checkpoint_place
from starters.session import open_records
from starters.terminal import CaseArgument, JsonFlag, execute, out, plain_table, visible
from workers.composition import Stores

#: Longer values are cut for people; `--json` has all of them.
_LONGEST_VALUE = 400
#: So much is said of the branches that there are.
_LONGEST_LIST = 200


def diff(
    case: CaseArgument,
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A checkpoint, such as main.3, or a branch as it is now.",
            show_default=False,
        ),
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="B", help="Another one, such as main.7 or b1.", show_default=False),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show what changed from A to B: two checkpoints or branches."""
    execute(_diff(case, before, after), as_json, _print)


async def _diff(case_id: str, before: str, after: str) -> dict[str, Any]:
    for field, place in (("A", before), ("B", after)):
        _check_place(field, place)
    async with open_records() as stores:
        lines = [line.branch for line in await stores.branches.tree(case_id)]
        old, new = [await _state(stores, case_id, place, lines) for place in (before, after)]
    return {
        "case_id": case_id,
        "before": old.checkpoint_id,
        "after": new.checkpoint_id,
        "changes": [change.model_dump(mode="json") for change in changes_between(old, new)],
    }


def _check_place(field: str, place: str) -> None:
    """Raise InvalidInput for what can name neither a checkpoint nor a branch."""
    for check in (checkpoint_place, partial(check_identifier, field=field)):
        with contextlib.suppress(InvalidInput):
            check(place)
            return
    raise InvalidInput(field, f"{place[:40]!r} is neither a checkpoint such as main.4 nor a branch")


async def _state(stores: Stores, case_id: str, place: str, lines: list[str]) -> CaseState:
    """A branch as it is now, or a checkpoint; raises CheckpointNotFound, NoSuchPlace.

    The name of a branch may look like a checkpoint: then it is the branch.
    """
    if place in lines:
        return await stores.cases.load(case_id, place)
    branch, _, version = place.rpartition(".")
    if branch not in lines or not version.isdecimal():
        raise NoSuchPlace(case_id, place, lines)
    return await stores.cases.load(case_id, branch, at=int(version))


class NoSuchPlace(NotFound):
    """What was named is no branch of the case, nor a checkpoint of one."""

    def __init__(self, case_id: str, place: str, lines: list[str]) -> None:
        known = shorten(", ".join(lines), _LONGEST_LIST)
        super().__init__(
            f"{place} is neither a checkpoint nor a branch of {case_id}: it has {known}."
        )


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
