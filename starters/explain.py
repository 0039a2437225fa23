"""`casekeeper explain`: what was decided in a case, what it was decided from, and what followed."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cases.errors import InvalidInput
from cases.explanation import explain as explanation_of
from cases.ids import MAIN
from starters.case_view import checkpoint_place
from starters.explanation_view import print_explanation
from starters.session import open_records
from starters.terminal import BranchOption, CaseArgument, JsonFlag, execute
from stores.explanation import PostgresExplanation, moment_of
from workers.composition import shipped_policy


def explain(
    case: CaseArgument,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="As of then, such as 2026-03-01T09:30 (in UTC if it names no zone), or as of a "
            "checkpoint, such as main.7.",
        ),
    ] = None,
    branch: BranchOption = MAIN,
    as_json: JsonFlag = False,
) -> None:
    """Explain each decision and effect of a case: what it was based on, and who allowed it."""
    execute(_explain(case, branch, at), as_json, print_explanation)


async def _explain(case_id: str, branch: str, at: str | None) -> dict[str, Any]:
    moment, version = None, None
    if at is not None and (moment := _time(at)) is None:
        branch, version = _checkpoint(at)
    async with open_records() as stores:
        facts = await PostgresExplanation(stores.pool, stores.keys).facts(case_id, branch)
    if version is not None:
        moment = moment_of(facts, version)
    return explanation_of(facts, shipped_policy(), moment).model_dump(mode="json")


def _time(at: str) -> datetime | None:
    """The moment in UTC; None for what is no time."""
    try:
        found = datetime.fromisoformat(at)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _checkpoint(at: str) -> tuple[str, int]:
    try:
        return checkpoint_place(at)
    except InvalidInput:
        problem = "is neither a time such as 2026-03-01T09:30Z nor a checkpoint such as main.7"
        raise InvalidInput("--at", f"{at[:40]!r} {problem}") from None
