"""`casekeeper reopen`: look into a closed case again, as a new one."""

import re
from typing import Annotated, Any

import typer

from cases.errors import CaseAlreadyExists, Conflict
from cases.ids import MAIN, check_identifier
from starters.session import Session, open_session
from starters.start import NewCase, start_case
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out

#: So often a case may be opened again; more is not a case but a habit.
_MOST = 20


class CaseStillOpen(Conflict):
    def __init__(self, case_id: str) -> None:
        super().__init__(f"Case {case_id} is open: `casekeeper say` adds to it.")


def reopen(
    case: CaseArgument,
    by: Annotated[
        str, typer.Option("--by", help="Who asks for it; another person must approve then.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Open a closed case again under a new id, such as after a refund that failed at the bank."""
    who = attempt(lambda: check_identifier(by, "--by"), as_json)
    execute(_reopen_in_session(case, who), as_json, _print)


async def _reopen_in_session(case_id: str, by: str) -> dict[str, Any]:
    async with open_session() as session:
        return await reopen_case(session, case_id, by)


async def reopen_case(session: Session, case_id: str, by: str) -> dict[str, Any]:
    """Start a case with the same request; raises CaseNotFound, CaseStillOpen, CaseAlreadyExists.

    What the ledger knows of the old case holds: what was paid is not paid again, and what failed is
    tried again with a person's approval only, who is not the one that asks here.
    """
    state = await session.stores.cases.load(case_id, MAIN)
    if not state.status.closed:
        raise CaseStillOpen(case_id)
    first = await session.stores.cases.load(case_id, MAIN, at=1)
    for new_id in next_ids(case_id):
        case = NewCase.check(state.customer_id, first.messages[0].text, new_id, by)
        try:
            begun = await start_case(session, case)
        except CaseAlreadyExists:
            continue
        for one, said in ((case_id, f"as {new_id}"), (new_id, f"of {case_id}")):
            await session.stores.audit.note(one, MAIN, by, "case_reopened", said)
        return {"case_id": new_id, "reopened": case_id, "run_id": begun.run_id}
    raise CaseAlreadyExists(f"{case_id}.r{_MOST}")


def next_ids(case_id: str) -> list[str]:
    """case_7 is opened again as case_7.r2, and that as case_7.r3."""
    found = re.fullmatch(r"(.+?)(?:\.r([0-9]{1,2}))?", case_id)
    base, number = (found[1], int(found[2] or 1)) if found else (case_id, 1)
    return [f"{base[:60]}.r{n}" for n in range(number + 1, _MOST + 1)]


def _print(result: dict[str, Any]) -> None:
    new_id = result["case_id"]
    out.print(f"Case {result['reopened']} is looked into again as [bold]{new_id}[/bold].")
