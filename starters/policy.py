"""`casekeeper policy check`: is a refund policy's file right, and what does it change?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cases.money import Money
from cases.policy import RefundPolicy
from cases.policy_changes import PolicyChange, changes
from starters.backtest import read_policy
from starters.terminal import JsonFlag, attempt, out, plain_table, print_result, visible
from workers.composition import shipped_policy

policy = typer.Typer(help="The refund policy: by which numbers refunds are paid at once.")


# With a callback, the one command is called by its name.
@policy.callback()
def about() -> None:
    """The refund policy: by which numbers refunds are paid at once."""


@policy.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A refund policy, a TOML file.")],
    as_json: JsonFlag = False,
) -> None:
    """Read a refund policy as a worker would, and say what it changes. Needs no server."""
    print_result(attempt(lambda: _check(file), as_json), as_json, _print)


def _check(file: Path) -> dict[str, Any]:
    """What is in the file; raises InvalidInput that names the field."""
    found, shipped = read_policy(file, "FILE"), shipped_policy()
    differs = changes(shipped, found)
    return {
        "file": str(file),
        "version": found.version,
        "limit_days": found.limit_days,
        "limits": _sums(found.limits),
        "second_limits": _sums(found.second_limits),
        "shipped_version": shipped.version,
        "changes": [change.model_dump(mode="json") for change in differs],
        "notes": _notes(found, shipped, differs),
    }


def _sums(limits: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        Money(amount_minor=minor, currency=code).model_dump(mode="json")
        for code, minor in limits.items()
    ]


def _notes(
    found: RefundPolicy, shipped: RefundPolicy, differs: tuple[PolicyChange, ...]
) -> list[str]:
    """What is allowed, and perhaps not meant."""
    notes: list[str] = []
    if differs and found.version <= shipped.version:
        notes.append(
            f"It differs from the shipped policy, so give it a version above {shipped.version}: "
            "every decision records the version it was made by."
        )
    missing = ", ".join(code for code in shipped.limits if code not in found.limits)
    if missing:
        notes.append(f"Every refund in a currency without a limit needs a person: {missing}.")
    if not found.second_limits:
        notes.append("Without second limits, one person may approve any sum.")
    return notes


def _print(result: dict[str, Any]) -> None:
    """The policy as tables of at most 80 columns."""
    out.print(
        Text(visible(f"{result['file']} is a refund policy, version {result['version']}.")),
        soft_wrap=True,
    )
    out.print(f"Refunds of a customer count towards the limit for {result['limit_days']} days.")
    out.print()
    limits = plain_table("currency", "paid at once up to", "two people above")
    for column in limits.columns[1:]:
        column.justify = "right"
    second = {limit["currency"]: limit for limit in result["second_limits"]}
    for limit in result["limits"]:
        above = second.get(limit["currency"])
        limits.add_row(limit["currency"], _decimal(limit), _decimal(above) if above else "never")
    out.print(limits)
    out.print()
    _print_changes(result)
    for note in result["notes"]:
        out.print(note, style="dim", soft_wrap=True)


def _print_changes(result: dict[str, Any]) -> None:
    shipped = f"the shipped policy, version {result['shipped_version']}"
    if not result["changes"]:
        out.print(f"Its numbers are those of {shipped}.")
        return
    table = plain_table(f"differs from {shipped}", "shipped", "this file")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result["changes"]:
        change = PolicyChange.model_validate(row)
        table.add_row(change.field, *(_side(side) for side in (change.before, change.after)))
    out.print(table)


def _side(value: int | Money | None) -> str:
    return "none" if value is None else str(value)


def _decimal(limit: dict[str, Any]) -> str:
    return Money.model_validate(limit).decimal()
