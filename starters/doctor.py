"""`casekeeper doctor`: do all three servers answer, and could this be production?"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import typer
from redis.exceptions import RedisError
from rich.text import Text

from runtime.servers import Servers, ServerUnreachable, find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from starters.terminal import JsonFlag, err, execute, out, plain_table
from stores.migrations import SchemaMismatch, check_schema
from stores.redis import connect_redis
from workers.composition import open_postgres
from workers.profile import unsafe


def doctor(as_json: JsonFlag = False) -> None:
    """Check that Temporal, Postgres and Redis answer, and what is not safe in production."""
    result = execute(_doctor(), as_json, _print)
    for problem in result["problems"].values():
        err.print(Text(f"casekeeper: {problem}", style="red"), soft_wrap=True)
    if not result["ok"]:
        raise typer.Exit(result["exit_code"])


async def _doctor() -> dict[str, Any]:
    settings = read_settings()
    servers = find_servers(settings)
    checks: dict[str, Callable[[Servers], Awaitable[None]]] = {
        "temporal": _temporal,
        "postgres": _postgres,
        "redis": _redis,
    }
    problems: dict[str, str] = {}
    for name, check in checks.items():
        try:
            await check(servers)
        except (ServerUnreachable, SchemaMismatch) as error:
            problems[name] = str(error)
    reasons: list[str] = []
    with suppress(ServerUnreachable):  # which is said already
        reasons = await unsafe(settings, servers)
    refused = reasons if settings.profile == "production" else []
    return {
        "temporal_address": servers.temporal_address,
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "web_url": servers.web_url,
        "profile": settings.profile,
        "unsafe_in_production": reasons,
        "ok": not (problems or refused),
        "problems": problems,
        **_failure([*problems.values(), *refused], 5 if problems else 2),
    }


def _failure(problems: list[str], code: int) -> dict[str, Any]:
    return {"error": " ".join(problems), "exit_code": code} if problems else {}


async def _temporal(servers: Servers) -> None:
    await (await connect(servers)).service_client.check_health()


async def _postgres(servers: Servers) -> None:
    async with open_postgres(servers.database_url, size=1) as pool:
        await check_schema(pool)


async def _redis(servers: Servers) -> None:
    try:
        async with connect_redis(servers.redis_url) as redis:
            await redis.ping()  # pyright: ignore[reportUnknownMemberType]  untyped upstream
    except (RedisError, OSError, ValueError) as error:
        raise ServerUnreachable("Redis", str(error) or "it does not answer") from error


def _print(result: dict[str, Any]) -> None:
    table = plain_table("server", "state", "where")
    for name, key in (
        ("Temporal", "temporal_address"),
        ("Postgres", "database_url"),
        ("Redis", "redis_url"),
    ):
        down = name.lower() in result["problems"]
        state = Text("down", style="red") if down else Text("ok", style="green")
        table.add_row(name, state, Text(without_password(result[key])))
    table.add_row("Web UI", "", Text(result["web_url"] or "set CASEKEEPER_WEB_URL for links"))
    out.print(table)
    if reasons := result["unsafe_in_production"]:
        refused = result["profile"] == "production"
        out.print(f"\nProduction {'does' if refused else 'would'} not start like this:")
        for reason in reasons:
            out.print(Text(f"- {reason}", style="red" if refused else "yellow"))


def without_password(url: str) -> str:
    """The address for the screen."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
    place = parts.netloc.rpartition("@")[2]
    shown = f"{user}@{place}" if user else place
    query = re.sub(r"(password=)[^&]*", r"\1…", parts.query)
    return urlunsplit(parts._replace(netloc=shown, query=query)) if parts.netloc else url
