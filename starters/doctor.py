"""`casekeeper doctor`: do all three servers answer?"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import typer
from redis.exceptions import RedisError
from rich.table import Table

from runtime.servers import Servers, ServerUnreachable, find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from starters.terminal import JsonFlag, execute, out
from stores.hot import connect_redis
from stores.migrations import SchemaMismatch, check_schema
from workers.composition import open_postgres


def doctor(as_json: JsonFlag = False) -> None:
    """Check that Temporal, Postgres and Redis answer, and say where they are."""
    result = execute(_doctor(), as_json, _print)
    if not result["ok"]:
        raise typer.Exit(5)


async def _doctor() -> dict[str, Any]:
    servers = find_servers(read_settings())
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
    return {
        "temporal_address": servers.temporal_address,
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "web_url": servers.web_url,
        "ok": not problems,
        "problems": problems,
    }


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
    table = Table("server", "where", "state")
    for name, key in (
        ("Temporal", "temporal_address"),
        ("Postgres", "database_url"),
        ("Redis", "redis_url"),
        ("Web UI", "web_url"),
    ):
        problem = result["problems"].get(name.lower())
        table.add_row(name, without_password(result[key]), problem or "ok")
    out.print(table)


def without_password(url: str | None) -> str:
    """The address for the screen."""
    if url is None or "@" not in url:
        return url or "-"
    parts = urlsplit(url)
    return url.replace(parts.netloc, f"{parts.username}@{parts.hostname}:{parts.port}")
