"""The connection to Postgres: a pool, deadlines, and our own error codes in case words."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from cases.errors import (
    CaseClosed,
    CaseNotFound,
    ConcurrentModification,
    ForeignWrite,
    InvalidInput,
)
from stores.queries import query

#: The longest any statement may take, in seconds, watched by the client: a frozen server does not
#: enforce its own time-outs.
DEADLINE_S = 10.0
#: What a client may meet whose Postgres is not there or goes away. The last is asyncpg's own, where
#: the server was killed as a connection was handed out.
POSTGRES_FAILED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
#: How often a statement is run that lost to another one, a deadlock for instance.
_ATTEMPTS = 5

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

T = TypeVar("T")


async def open_pool(
    dsn: str,
    *,
    size: int = 10,
    application: str = "casekeeper",
    deadline_s: float = DEADLINE_S,
) -> Pool:
    """Connect; raises OSError or asyncpg.PostgresError when the server cannot be used."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=5,
        command_timeout=deadline_s,
        reset=_leave_as_is,
        server_settings={"application_name": application},
    )


async def _leave_as_is(_: object) -> None:
    """Every statement here is a transaction of its own, so a connection needs no reset."""


async def fetch_row(pool: Pool, name: str, *args: Any) -> asyncpg.Record | None:
    """Run the named query for its first row."""
    return await _run(pool, lambda connection: connection.fetchrow(query(name), *args))


async def fetch_rows(pool: Pool, name: str, *args: Any) -> list[asyncpg.Record]:
    """Run the named query for all its rows."""
    return await _run(pool, lambda connection: connection.fetch(query(name), *args))


async def _run(pool: Pool, statement: Callable[[Connection], Awaitable[T]]) -> T:
    """Run one statement, which is one transaction: what lost to another one is run again."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await _run_once(pool, statement)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if attempt == _ATTEMPTS:
                raise
        await asyncio.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311  only jitter
    raise AssertionError  # the loop returns or raises


async def _run_once(pool: Pool, statement: Callable[[Connection], Awaitable[T]]) -> T:
    connection: Any
    # Also bounds the wait for a free connection, and for a frozen server to take back its own.
    async with pool.acquire(timeout=DEADLINE_S) as connection:
        return await statement(connection)


@asynccontextmanager
async def case_errors(case_id: str, branch: str) -> AsyncGenerator[None]:
    """Turn our functions' error codes into the core's errors; others pass through."""
    try:
        yield
    except asyncpg.PostgresError as error:
        code = error.sqlstate or ""
        if code == "CK404":
            raise CaseNotFound(case_id, branch) from error
        if code == "CK408":
            raise CaseClosed(case_id, details(error)["status"]) from error
        if code == "CK409":
            found = details(error)
            raise ConcurrentModification(case_id, found["expected"], found["found"]) from error
        if code == "CK403":
            found = details(error)
            raise ForeignWrite(found["owner"], found["section"], found["belongs_to"]) from error
        if getattr(error, "constraint_name", None) == "messages_pkey":
            raise InvalidInput("message_id", "another step has put it on record") from error
        if isinstance(error, asyncpg.DataError | asyncpg.ProgramLimitExceededError):
            raise InvalidInput("record", f"the database cannot store it ({code})") from error
        raise


def details(error: asyncpg.PostgresError) -> dict[str, Any]:
    """The JSON object that our functions put into an error's DETAIL."""
    found: dict[str, Any] = json.loads(error.detail or "{}")
    return found
