"""`casekeeper up`: the embedded servers and a worker, until Ctrl-C."""

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from runtime.logs import set_up_logs
from runtime.settings import read_settings
from starters.doctor import without_password
from starters.embedded import Running, embedded_stack
from starters.terminal import JsonFlag, attempt, err, out, print_result
from workers.main import stop_on_signals


def up(
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Servers only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start Temporal, Postgres, Valkey and a worker here; Ctrl-C stops all."""
    attempt(lambda: asyncio.run(_up(no_worker, as_json)), as_json)


async def _up(no_worker: bool, as_json: bool) -> None:
    settings = read_settings()
    set_up_logs(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with embedded_stack(
        settings,
        settings.home,
        worker=not no_worker,
        report=lambda text: err.print(text, style="dim"),
    ) as running:
        print_result(_addresses(running), as_json, lambda _: _print(running))
        await stop.wait()
        err.print("Stopping…", style="dim")


def _addresses(running: Running) -> dict[str, str | None]:
    servers = running.servers
    return {
        "temporal_address": servers.temporal_address,
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "web_url": servers.web_url,
        "token_file": running.token_file,
    }


def _print(running: Running) -> None:
    servers = running.servers
    lines = [
        ("Temporal Web UI", servers.web_url or "-"),
        ("Temporal", servers.temporal_address),
        ("Postgres", without_password(servers.database_url)),
        ("Redis (Valkey)", without_password(servers.redis_url)),
    ]
    if running.token_file:
        lines.append(("Approver's token", running.token_file))
    for name, value in lines:
        # An address stays in one piece, to be copied.
        out.print(Text(f"{name:<17}", style="cyan").append(value, style="none"), soft_wrap=True)
    out.print("Casekeeper is up. Open another terminal for commands; Ctrl-C stops all.")
    if running.token_file:
        out.print(
            "Whoever can read that token approves refunds as the first approver: keep it.",
            style="dim",
        )
