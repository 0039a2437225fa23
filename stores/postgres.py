"""The connection to Postgres: a pool, deadlines, and our own error codes in case words."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from cases.errors import CaseNotFound, ConcurrentModification, ForeignWrite
from stores.queries import query

#: The longest any statement may take, in seconds, watched by the client: a frozen server does not
#: enforce its own time-outs.
DEADLINE_S = 10.0

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Pool = asyncpg.Pool


async def open_pool(dsn: str, *, size: int = 10, application: str = "casekeeper") -> Pool:
    """Connect; raises OSError or asyncpg.PostgresError when the server cannot be used."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=5,
        command_timeout=DEADLINE_S,
        reset=_leave_as_is,
        server_settings={"application_name": application},
    )


async def _leave_as_is(_: object) -> None:
    """Every statement here is a transaction of its own, so a connection needs no reset."""


async def fetch_row(pool: Pool, name: str, *args: Any) -> asyncpg.Record | None:
    """Run the named query for its first row."""
    return await pool.fetchrow(query(name), *args)


async def fetch_rows(pool: Pool, name: str, *args: Any) -> list[asyncpg.Record]:
    """Run the named query for all its rows."""
    return await pool.fetch(query(name), *args)


@asynccontextmanager
async def case_errors(case_id: str, branch: str) -> AsyncGenerator[None]:
    """Turn our functions' error codes into the core's errors; others pass through."""
    try:
        yield
    except asyncpg.PostgresError as error:
        code = error.sqlstate or ""
        if code == "CK404":
            raise CaseNotFound(case_id, branch) from error
        if code == "CK409":
            found = details(error)
            raise ConcurrentModification(case_id, found["expected"], found["found"]) from error
        if code == "CK403":
            found = details(error)
            raise ForeignWrite(found["owner"], found["section"], found["belongs_to"]) from error
        raise


def details(error: asyncpg.PostgresError) -> dict[str, Any]:
    """The JSON object that our functions put into an error's DETAIL."""
    found: dict[str, Any] = json.loads(error.detail or "{}")
    return found
