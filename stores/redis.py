"""What all stores in Redis share: the client, the deadline, the scripts, and the keys of a case."""

import asyncio
from collections.abc import Awaitable
from importlib.resources import files
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

#: The longest any command may take, in seconds.
DEADLINE_S = 1.0

#: What a command raises at a server that is away, slow, full, read-only, or holds something else
#: under the key.
UNAVAILABLE = (RedisError, OSError, TimeoutError)

T = TypeVar("T")


def connect_redis(url: str) -> Redis:
    """A client that never retries (Temporal does) and never waits longer than DEADLINE_S."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped upstream
        url,
        socket_timeout=DEADLINE_S,
        socket_connect_timeout=DEADLINE_S,
        retry=Retry(NoBackoff(), 0),
    )


async def in_time(command: Awaitable[T]) -> T:
    """The command's answer; raises one of UNAVAILABLE, after DEADLINE_S at the latest."""
    # The client's own time-outs are for each exchange, and a command may take several.
    async with asyncio.timeout(DEADLINE_S):
        return await command


def lua(name: str) -> str:
    """The text of a script of this package."""
    return files("stores").joinpath("lua", f"{name}.lua").read_text("utf-8")


def case_key(case_id: str, branch: str) -> str:
    """The key of a case. All keys with the same text in braces live on one node of a cluster."""
    return f"case:{{{case_id}}}:{branch}"
