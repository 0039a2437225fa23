"""`casekeeper sandbox`: the outside world to try things on."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cases.errors import InvalidInput
from cases.money import Money
from gateways.sandbox import clock, world
from runtime.servers import find_servers
from runtime.settings import read_settings
from starters.terminal import JsonFlag, attempt, execute, out, plain_table
from workers.composition import open_postgres

sandbox = typer.Typer(help="The sandbox's customers, charges, refunds and mails.")


@sandbox.command()
def load(
    file: Annotated[str, typer.Argument(help="A JSON file, or - for standard input.")],
    as_json: JsonFlag = False,
) -> None:
    """Add customers and charges to the sandbox; all or none."""
    given = attempt(lambda: world.World.parse(_read(file)), as_json)
    execute(_load(given), as_json, _print_loaded)


@sandbox.command()
def show(as_json: JsonFlag = False) -> None:
    """Show what the outside world has: charges, refunds, mails, answers, notices."""
    execute(_show(), as_json, _print_world)


@sandbox.command()
def advance(
    duration: Annotated[str, typer.Argument(help="How far: 90s, 30m, 25h or 40d.")],
    as_json: JsonFlag = False,
) -> None:
    """Put the sandbox's own clock forward: refunds settle, and old keys are forgotten."""
    by = attempt(lambda: clock.parse_duration(duration, "DURATION"), as_json)
    execute(_advance(by), as_json, _print_clock)


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text("utf-8")
    except OSError as error:
        raise InvalidInput("file", f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("file", f"{file} is not UTF-8") from error


async def _load(given: world.World) -> dict[str, int]:
    async with open_postgres(find_servers(read_settings()).sandbox_database_url, size=1) as pool:
        await world.prepare_if_missing(pool)
        await world.load(pool, given)
    return {"customers": len(given.customers), "charges": len(given.charges)}


async def _show() -> dict[str, list[dict[str, Any]]]:
    async with open_postgres(find_servers(read_settings()).sandbox_database_url, size=1) as pool:
        await world.prepare_if_missing(pool)
        return await world.show(pool)


async def _advance(by: timedelta) -> dict[str, Any]:
    async with open_postgres(find_servers(read_settings()).sandbox_database_url, size=1) as pool:
        await world.prepare_if_missing(pool)
        advanced = await clock.advance(pool, by)
    return {"now": advanced.now.isoformat(), "ahead_s": int(advanced.ahead.total_seconds())}


def _print_loaded(result: dict[str, int]) -> None:
    out.print(
        f"{result['customers']} customers and {result['charges']} charges are in the sandbox."
    )


def _print_world(result: dict[str, list[dict[str, Any]]]) -> None:
    charges = plain_table("charge", "customer", "amount", "status", "merchant")
    for row in result["charges"]:
        charges.add_row(row["id"], row["customer_id"], _money(row), row["status"], row["merchant"])
    refunds = plain_table("refund", "charge", "amount", "status")
    for row in result["refunds"]:
        refunds.add_row(row["id"], row["charge_id"], _money(row), row["status"])
    mails = plain_table("mail", "kind", "customer", "case")
    for row in [*result["mails"], *result["answers"], *result["notices"]]:
        kind = f"{row['kind']}, revoked" if row["revoked_at"] else row["kind"]
        mails.add_row(row["id"], kind, row["customer_id"] or "approvers", row["case_id"])
    for name, table in (("charges", charges), ("refunds", refunds), ("mails", mails)):
        out.print(table if table.rows else f"no {name}")
        out.print()


def _print_clock(result: dict[str, Any]) -> None:
    ahead = timedelta(seconds=result["ahead_s"])
    now = datetime.fromisoformat(result["now"])
    out.print(f"The sandbox's clock says {now:%Y-%m-%d %H:%M:%S} UTC: {ahead} ahead of ours.")


def _money(row: dict[str, Any]) -> str:
    return str(Money(amount_minor=row["amount_minor"], currency=row["currency"]))
