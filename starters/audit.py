"""`casekeeper audit`: who changed what in a case, and whether the trail is whole."""

import json
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from cases.ids import MAIN
from starters.session import open_records
from starters.terminal import (
    BranchOption,
    CaseArgument,
    JsonFlag,
    err,
    execute,
    out,
    plain_table,
)


def audit(
    case: CaseArgument,
    branch: BranchOption = MAIN,
    verify: Annotated[bool, typer.Option("--verify", help="Check the hash chain.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print a case's audit trail, oldest first."""
    result = execute(_audit(case, branch, verify), as_json, _print)
    if verify and result["findings"]:
        raise typer.Exit(1)


async def _audit(case_id: str, branch: str, verify: bool) -> dict[str, Any]:
    async with open_records() as stores:
        rows = await stores.audit.trail(case_id, branch)
        result: dict[str, Any] = {
            "case_id": case_id,
            "branch": branch,
            "rows": [row.model_dump(mode="json") for row in rows],
        }
        if verify:
            result["findings"] = await stores.audit.verify(case_id, branch)
            result["ok"] = not result["findings"]
        return result


def _print(result: dict[str, Any]) -> None:
    table = plain_table("#", "at (UTC)", "who", "what")
    for row in result["rows"]:
        at = row["at"][:19].replace("T", " ")
        table.add_row(str(row["seq"]), at, row["actor"], _what(row))
    out.print(table)
    if "findings" in result:
        for finding in result["findings"]:
            err.print(Text(finding, style="red"), soft_wrap=True)
        if result["ok"]:
            out.print(f"The chain of {len(result['rows'])} rows holds.", style="green")


def _what(row: dict[str, Any]) -> Text:
    event = row["event"].replace("_", " ")
    section = f": {row['section']}" if row["section"] else ""
    text = Text(f"{event}{section}")
    detail = _detail(row["detail"])
    return text.append(f"\n{detail}", style="dim") if detail else text


def _detail(detail: str) -> str:
    """Reason first; the rest by name. The whole of it is in `audit --json`."""
    try:
        fields = json.loads(detail)
    except ValueError:
        return detail
    if not isinstance(fields, dict):
        return detail
    named = cast("dict[str, object]", fields)
    reason = [str(named.pop("reason"))] if "reason" in named else []
    rest = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in sorted(named.items())]
    return "; ".join([*reason, *rest])


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 32 else f"{text[:12]}…"  # noqa: PLR2004  longer ones are digests
