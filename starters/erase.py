"""`casekeeper erase`: destroy the key of a customer's data, and what else is kept of them."""

from typing import Annotated, Any

import typer

from cases.ids import check_identifier
from cases.text import clean_text
from runtime.runs import TemporalRuns
from starters.owner import open_as_owner
from starters.session import Session, open_session
from starters.terminal import JsonFlag, attempt, err, execute, out
from stores.erasure import PostgresErasure

_TO = "erase customers"


def erase(
    customer: Annotated[
        str, typer.Argument(metavar="CUSTOMER", help="The customer's id, such as cus_42.")
    ],
    reason: Annotated[
        str,
        typer.Option("--reason", help="Why; it stays in the audit, so name no person in it."),
    ],
    by: Annotated[str, typer.Option("--by", help="Who does it; that stays in the audit too.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make unreadable for good what is stored of a customer. Sums, dates and the audit stay."""
    who, why = attempt(lambda: _checked(customer, reason, by), as_json)
    if not yes and not _confirmed(customer, as_json):
        raise typer.Exit(1)
    result = execute(_erase(customer, who, why), as_json, _print)
    if result["left_in_clear"]:
        raise typer.Exit(1)


def _checked(customer: str, reason: str, by: str) -> tuple[str, str]:
    check_identifier(customer, "CUSTOMER")
    return check_identifier(by, "--by"), clean_text(reason, "--reason")


def _confirmed(customer: str, as_json: bool) -> bool:
    if as_json or not err.is_terminal:
        raise typer.BadParameter("say --yes, as nobody can be asked here", param_hint="--yes")
    return typer.confirm(
        f"Erase {customer}? Nobody can read their cases afterwards, and nothing brings them back.",
        err=True,
    )


async def _erase(customer: str, by: str, reason: str) -> dict[str, Any]:
    async with open_session() as session, open_as_owner(session.settings, _TO) as pool:
        erasure = PostgresErasure(pool)
        destroyed = await erasure.erase(customer, by, reason)
        lines = await erasure.lines(customer)
        runs = await _forget(session, lines)
        return {
            "customer_id": customer,
            "keys_destroyed": destroyed,
            "cases": sorted({case_id for case_id, _ in lines}),
            "runs_deleted": runs,
            "left_in_clear": await erasure.left_in_clear(customer),
        }


async def _forget(session: Session, lines: list[tuple[str, str]]) -> int:
    """Take out the hot copies, and what Temporal keeps: its payloads have other keys."""
    runs = TemporalRuns(session.temporal)
    deleted = 0
    for case_id, branch in lines:
        await session.stores.record.forget(case_id, branch)
        deleted += await runs.delete(case_id, branch)
    return deleted


def _print(result: dict[str, Any]) -> None:
    customer, cases = result["customer_id"], _counted(len(result["cases"]), "case")
    if result["keys_destroyed"]:
        out.print(f"[bold]{customer}[/bold] is erased: what {cases} held is unreadable.")
    else:
        out.print(f"No key of {customer} was left to destroy.")
    out.print(f"Temporal deletes {_counted(result['runs_deleted'], 'run')}.", style="dim")
    if result["left_in_clear"]:
        rows = ", ".join(f"{n} in {table}" for table, n in result["left_in_clear"].items())
        out.print(
            f"Stored before there were keys, and not erased: {rows}. Only the tables' owner can "
            "remove them, and the audit will say that they are gone.",
            style="yellow",
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
