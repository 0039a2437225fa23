"""`casekeeper show`: a case now, or as it was at any checkpoint."""

from typing import Annotated, Any

import typer

from cases.ids import MAIN
from starters.case_view import print_case, view_case
from starters.session import open_session
from starters.terminal import BranchOption, CaseArgument, JsonFlag, execute


def show(
    case: CaseArgument,
    at: Annotated[str | None, typer.Option("--at", help="A checkpoint, such as main.4.")] = None,
    branch: BranchOption = MAIN,
    as_json: JsonFlag = False,
) -> None:
    """Show a case: its sections, its messages and its answer."""
    execute(_show(case, branch, at), as_json, lambda view: print_case(view, as_of=at))


async def _show(case_id: str, branch: str, at: str | None) -> dict[str, Any]:
    async with open_session() as session:
        return await view_case(session, case_id, branch, at)
