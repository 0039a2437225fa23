"""What the servers themselves say about how safe they are."""

import contextlib
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from stores.postgres import Pool, fetch_row
from stores.redis import UNAVAILABLE, connect_redis, in_time


async def unsafe_postgres(pool: Pool) -> list[str]:
    """Why this server, as this role, must not keep the record, each in a few words."""
    found = await fetch_row(pool, "safety")
    return [problem for problem, said in _PROBLEMS.items() if found and found[said]]


_PROBLEMS = {
    "the role is a superuser, whom no rule of the record binds": "superuser",
    "the role owns tables or may create them, and could change what is recorded; run cases as "
    "another role than the one of OWNER_DATABASE_URL": "owner",
    "synchronous_commit is off, so a refund that is on record may be forgotten": "forgetful",
    "fsync is off, so a crash may destroy the record": "unsynced",
    "the server is a replica, which keeps nothing": "replica",
}


async def redis_lets_anyone_in(url: str) -> bool:
    """Does the server answer without a password? One that is away does not."""
    with contextlib.suppress(*UNAVAILABLE):
        async with connect_redis(_without_password(url)) as redis:
            await in_time(redis.ping())  # pyright: ignore[reportUnknownMemberType]  untyped upstream
            return True
    return False


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    options = [(k, v) for k, v in parse_qsl(parts.query) if k not in {"username", "password"}]
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=place, query=urlencode(options)))
