"""`casekeeper audit`: who changed what in a case, whether the record is whole, and signing it."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from cases.errors import CaseNotFound, InvalidInput
from cases.ids import MAIN, check_identifier
from runtime.settings import read_settings
from starters.session import open_records
from starters.terminal import BranchOption, JsonFlag, err, execute, out, plain_table
from stores.audit import PostgresAudit
from stores.heads import HeadsReader
from stores.verification import verify as verify_record
from workers.heads import export_heads, heads_files


def _case(value: str | None) -> str | None:
    return value if value is None else check_identifier(value, "CASE")


def audit(
    case: Annotated[
        str | None,
        typer.Argument(
            metavar="CASE",
            help="The case's id. Without it, --verify checks all cases.",
            callback=_case,
            show_default=False,
        ),
    ] = None,
    *,
    branch: BranchOption = MAIN,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many rows.")
    ] = 1000,
    before: Annotated[
        int | None, typer.Option("--before", min=1, metavar="SEQ", help="Only rows below this one.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check chains of hashes and signed heads.")
    ] = False,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Check the heads with this key instead of the one beside them.",
        ),
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help="Sign where the chains of all cases end.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print a case's audit trail, newest first; verify it; sign where it ends."""
    if export:
        execute(_export(alone=not (case or verify)), as_json, _print_export)
        return
    if verify:
        verified = _verify(case, branch, limit, before, public_key)
        if execute(verified, as_json, _print)["findings"]:
            raise typer.Exit(1)
        return
    execute(_show(case, branch, limit, before), as_json, _print)


async def _show(case_id: str | None, branch: str, limit: int, before: int | None) -> dict[str, Any]:
    if case_id is None:
        raise InvalidInput("CASE", "say which one, or --verify for all of them")
    async with open_records() as stores:
        return await _trail(stores.audit, case_id, branch, limit, before)


async def _trail(
    trail: PostgresAudit, case_id: str, branch: str, limit: int, before: int | None
) -> dict[str, Any]:
    rows = await trail.trail(case_id, branch, limit=limit, before=before)
    more = len(rows) == limit and rows[-1].seq > 1
    return {
        "case_id": case_id,
        "branch": branch,
        "rows": [row.model_dump(mode="json") for row in rows],
        "next_before": rows[-1].seq if more else None,
    }


async def _verify(
    case_id: str | None, branch: str, limit: int, before: int | None, public_key: Path | None
) -> dict[str, Any]:
    """The report; for one case with its trail, as far as there is one."""
    files = heads_files(read_settings())
    reader = HeadsReader(files.heads, public_key or files.public_key)
    async with open_records() as stores:
        only = None if case_id is None else (case_id, branch)
        report = await verify_record(stores.audit, reader, only)
        result = {"ok": report.ok, **report.model_dump(mode="json"), "checked_rows": report.rows}
        if case_id is not None:
            try:
                result |= await _trail(stores.audit, case_id, branch, limit, before)
            except CaseNotFound:  # all that is left of it is a signed head
                result |= {"case_id": case_id, "branch": branch, "rows": [], "next_before": None}
        return result


async def _export(*, alone: bool) -> dict[str, Any]:
    if not alone:
        raise InvalidInput("--export", "it signs the heads of all cases, and goes alone")
    files = heads_files(read_settings())
    async with open_records() as stores:
        written = await export_heads(stores.audit, files, everything=True)
    return {"heads": written, "file": str(files.heads)}


def _print_export(result: dict[str, Any]) -> None:
    out.print(Text(f"{result['heads']} new heads signed in {result['file']}."), soft_wrap=True)


def _print(result: dict[str, Any]) -> None:
    if "case_id" in result:
        _print_trail(result)
    if "ok" in result:
        _print_report(result)


def _print_trail(result: dict[str, Any]) -> None:
    table = plain_table("#", "at (UTC)", "who", "what")
    for row in result["rows"]:
        at = row["at"][:19].replace("T", " ")
        table.add_row(str(row["seq"]), at, row["actor"], _what(row))
    out.print(table)
    if result["next_before"]:
        more = f"casekeeper audit {result['case_id']} --before {result['next_before']}"
        out.print(f"Older rows: `{more}`.", style="dim")


def _print_report(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        err.print(Text(finding, style="red"), soft_wrap=True)
    if report["ok"]:
        cases, rows = _count(report["cases"], "case"), _count(report["checked_rows"], "row")
        out.print(f"{cases} with {rows}: every chain holds.", style="green")
    out.print(_signed(report), style="dim")


def _signed(report: dict[str, Any]) -> str:
    if report["signed_until"] is None:
        return "No head is signed yet: `casekeeper audit --export` does it, and every worker."
    until = report["signed_until"][:19].replace("T", " ")
    if not report["not_signed"]:
        return f"Signed until {until} UTC: every row is."
    newer = _count(report["not_signed"], "row")
    return f"Signed until {until} UTC, but {newer} newer than that: not signed yet."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


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
