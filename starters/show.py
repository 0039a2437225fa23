"""`casekeeper show`: a case now, or as it was at any checkpoint."""

from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.text import Text

from cases.ids import MAIN
from cases.sizes import WARN_BYTES
from starters.case_view import print_case, view_case
from starters.session import open_session
from starters.terminal import BranchOption, CaseArgument, JsonFlag, err, execute


def show(
    case: CaseArgument,
    at: Annotated[str | None, typer.Option("--at", help="A checkpoint, such as main.4.")] = None,
    branch: BranchOption = MAIN,
    as_json: JsonFlag = False,
) -> None:
    """Show a case: its sections, its messages and its answer."""
    execute(_show(case, branch, at), as_json, lambda view: _print(view, at))


async def _show(case_id: str, branch: str, at: str | None) -> dict[str, Any]:
    async with open_session() as session:
        return await view_case(session, case_id, branch, at)


def _print(view: dict[str, Any], at: str | None) -> None:
    print_case(view, as_of=at)
    size = sum(part["bytes"] for part in view["sizes"])
    if size > WARN_BYTES:
        largest = view["sizes"][0]
        warning = (
            f"casekeeper: this state has {decimal(size)}, more than the {decimal(WARN_BYTES)} that "
            f"a case should have; {decimal(largest['bytes'])} of it are its {largest['name']}."
        )
        err.print(Text(warning, style="yellow"), soft_wrap=True)
