"""`casekeeper invariants`: does what must always hold, hold of every case on record?"""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text
from temporalio.client import Client

from cases.ids import MAIN, check_identifier, parse_workflow_id
from cases.invariants import Finding, Invariant, InvariantReport
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from starters.replay import Failure, parse_since, run_replay
from starters.session import open_records
from starters.terminal import JsonFlag, attempt, execute, out, plain_table, visible
from stores.invariants import Scope
from workers.composition import sandbox_gateways
from workers.invariants import Check

#: So many findings of an invariant are printed; all of them are in the document.
_PRINTED = 20
#: Histories as old as that are replayed where nobody says how far back.
_ALL = datetime(2020, 1, 1, tzinfo=UTC)


def _cases(values: list[str] | None) -> list[str] | None:
    return values and [check_identifier(value, "--case") for value in values]


def invariants(
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case", metavar="CASE", callback=_cases, help="Only this case; may be repeated."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DURATION", help="Only what is open or went on since: 12h or 7d."
        ),
    ] = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="Nothing may be open: for the end of a test.")
    ] = False,
    histories: Annotated[
        bool, typer.Option("--histories", help="Replay the histories in Temporal too: it is slow.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check what must hold of every case, whatever has failed. It only reads.

    The exit code is 1 where something does not hold, and the cases are named.
    """
    start = attempt(lambda: parse_since(since), as_json) if since else None
    scope = Scope(case_ids=tuple(case) if case else None, since=start)
    if execute(_check(scope, settled, histories), as_json, _print)["findings"]:
        raise typer.Exit(1)


async def _check(scope: Scope, settled: bool, histories: bool) -> dict[str, Any]:
    settings = read_settings()
    # First, as it needs another server.
    client = await connect(find_servers(settings)) if histories else None
    async with open_records() as stores:
        gateways = sandbox_gateways(stores, settings)
        try:
            report = await Check(stores, settings, gateways.payments, scope, settled=settled).run()
        finally:
            await gateways.aclose()
    return _document(await with_histories(client, report, scope.since) if client else report)


async def with_histories(
    client: Client, report: InvariantReport, since: datetime | None = None
) -> InvariantReport:
    """The report with the last invariant: what is open, and what has closed since, replays."""
    replayed = await run_replay(client, since or _ALL)
    found = [_not_replayed(failure) for failure in replayed.failures]
    return report.model_copy(update={"skipped": (), "findings": (*report.findings, *found)})


def _not_replayed(failure: Failure) -> Finding:
    case_id, branch = parse_workflow_id(failure.workflow_id)
    return Finding(
        invariant=Invariant.REPLAYS,
        case_id=case_id,
        branch=branch,
        problem=f"its run {failure.run_id} does not replay: {failure.error}: {failure.message}",
    )


def _document(report: InvariantReport) -> dict[str, Any]:
    checks = [
        {
            "id": one.value,
            "promise": one.promise,
            "checked": one not in report.skipped,
            "broken": len(report.of(one)),
        }
        for one in Invariant
    ]
    problem = f"{len(report.findings)} findings: {', '.join(report.case_ids) or 'of no one case'}."
    failed = {} if report.ok else {"error": problem, "exit_code": 1}
    return {
        "lines": report.lines,
        "invariants": checks,
        "case_ids": report.case_ids,
        "findings": [one.model_dump(mode="json") for one in report.findings],
        **failed,
    }


def _print(result: dict[str, Any]) -> None:
    table = plain_table("", "what must hold", "it does")
    for one in result["invariants"]:
        table.add_row(one["id"], one["promise"], _holds(one))
    out.print(table)
    for finding in result["findings"][:_PRINTED]:
        out.print(Text(visible(_line(finding)), style="red"), soft_wrap=True)
    more = len(result["findings"]) - _PRINTED
    if more > 0:
        out.print(f"{more} more are not shown; `--json` has all of them.")
    if result["case_ids"]:
        out.print(Text(f"Cases: {' '.join(result['case_ids'])}"), soft_wrap=True)
    out.print(f"Cases and branches looked at: {result['lines']}.", style="dim")


def _holds(one: dict[str, Any]) -> Text:
    if not one["checked"]:
        return Text("not looked at", style="dim")
    broken = one["broken"]
    return Text(f"no: {broken}", style="red") if broken else Text("yes", style="green")


def _line(finding: dict[str, Any]) -> str:
    branch = "" if finding["branch"] in (None, MAIN) else f", branch {finding['branch']}"
    where = f"{finding['case_id'] or 'the record'}{branch}"
    return f"{finding['invariant']} {where}: {finding['problem']}"
