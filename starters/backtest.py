"""`casekeeper backtest`: applies another refund policy to the cases on record."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from cases.backtest import rejudge_all
from cases.backtest_report import BacktestReport, Tally
from cases.errors import InvalidInput
from cases.policy import RefundPolicy
from cases.records import Record
from runtime.servers import find_servers
from runtime.settings import read_settings
from starters.backtest_page import page_of
from starters.backtest_text import print_report
from starters.terminal import JsonFlag, attempt, err, execute, out
from stores.backtest import Page, PostgresPastCases
from stores.migrations import check_schema
from workers.composition import customer_keys, open_postgres

#: One connection reads while the other one is being given back.
_CONNECTIONS = 2


class Plan(Record):
    """What is to be done, checked."""

    policy: RefundPolicy
    since: datetime | None
    limit: int | None
    html: Path | None


def backtest(
    policy: Annotated[
        Path,
        typer.Option(
            "--policy", metavar="FILE", help="The other policy, a TOML file.", show_default=False
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Only decisions since then: ISO 8601, UTC if not said."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10**9, help="Only the newest so many.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page too.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what another refund policy would have decided about past cases.

    Nothing is asked of anyone outside, and nothing is changed.
    """
    plan = attempt(lambda: _plan(policy, since, limit, html), as_json)
    execute(_backtest(plan, as_json), as_json, print_report)
    if html and not as_json:
        out.print(Text(f"The page is {html}."), style="dim", soft_wrap=True)


def _plan(policy: Path, since: str | None, limit: int | None, html: Path | None) -> Plan:
    """Everything that can be wrong is found before any case is read."""
    found = read_policy(policy)
    if html is not None:
        if html.exists() and html.samefile(policy):
            raise InvalidInput("--html", f"{html} is the policy file")
        _check_writable(html)
    return Plan(policy=found, since=_time(since), limit=limit, html=html)


def read_policy(path: Path, field: str = "--policy") -> RefundPolicy:
    """The policy of a file; raises InvalidInput that names the field."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(field, f"{path} is not UTF-8") from error
    return RefundPolicy.from_toml(text)


def _check_writable(path: Path) -> None:
    """Raise InvalidInput if the page could not be written there; leaves nothing behind."""
    existed = path.exists()
    try:
        path.open("a").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise InvalidInput("--html", f"{path} cannot be written: {error.strerror}") from error


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problem = f"{text!r} is not a time such as 2026-05-01 or 2026-05-01T09:30:00+02:00"
        raise InvalidInput("--since", problem) from error


async def _backtest(plan: Plan, as_json: bool) -> dict[str, Any]:
    servers = find_servers(read_settings())
    async with open_postgres(servers.database_url, size=_CONNECTIONS) as pool:
        await check_schema(pool)
        past = PostgresPastCases(pool, customer_keys(pool, servers))
        with Progress(
            console=err, disable=as_json or not err.is_terminal, transient=True
        ) as progress:
            bar = progress.add_task("Judging cases", total=None)

            def done(cases: int, of: int) -> None:
                progress.update(bar, advance=cases, total=of)

            report = await run_backtest(past, plan.policy, plan.since, plan.limit, done)
    if plan.html:
        plan.html.write_text(page_of(report, datetime.now(UTC)), "utf-8")
    return report.model_dump(mode="json")


async def run_backtest(
    past: PostgresPastCases,
    policy: RefundPolicy,
    since: datetime | None = None,
    limit: int | None = None,
    done: Callable[[int, int], None] = lambda _cases, _of: None,
) -> BacktestReport:
    """Judge the cases on record: only reads of Postgres, and no outside."""
    tally = Tally()
    span = await past.span(since, limit)
    about = span.cases if limit is None else min(limit, span.cases)
    async with aclosing(past.pages(span)) as pages:
        async for page in pages:
            # In a thread, so that the next page is read meanwhile.
            await asyncio.to_thread(_judge, page, policy, tally)
            done(len(page.ids), about)
    return tally.report(policy.version, since)


def _judge(page: Page, policy: RefundPolicy, tally: Tally) -> None:
    for judged in rejudge_all(page.cases(), policy):
        tally.add(judged)
