"""The sandbox's own connections to Postgres, and what can go wrong with them."""

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

from cases.errors import GatewayUnavailable

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Pool = asyncpg.Pool

#: What a call can end with when it is not known whether it was carried out: the connection broke,
#: or the server is stopping.
NO_ANSWER = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # Of a connection whose server was killed as it was handed out.
    asyncpg.InternalClientError,
)

#: What stands for a key that the outside does not accept (any more).
NOT_AUTHORISED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
)

#: How long an answer may take, in seconds: well below what an activity has.
DEADLINE_S = 10.0


async def ask(
    pool: Pool, query: str, *args: Any, deadline_s: float = DEADLINE_S
) -> list[asyncpg.Record]:
    """A question that changes nothing; raises GatewayUnavailable where no answer comes."""
    try:
        async with asyncio.timeout(deadline_s):
            return await pool.fetch(query, *args)
    except NOT_AUTHORISED as error:
        raise GatewayUnavailable("The sandbox", "we are not authorised") from error
    except NO_ANSWER as error:
        raise GatewayUnavailable("The sandbox", str(error) or type(error).__name__) from error
