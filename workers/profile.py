"""Refuses to start in production with what is not safe there."""

from runtime.profile import UnsafeInProduction, unsafe_settings
from runtime.servers import Servers, ServerUnreachable
from runtime.settings import Settings
from stores.safety import redis_lets_anyone_in, unsafe_postgres
from workers.composition import open_postgres


async def refuse_unsafe(settings: Settings, servers: Servers) -> None:
    """Raise UnsafeInProduction, with every reason, if this is production and there is any."""
    if settings.profile == "production" and (reasons := await unsafe(settings, servers)):
        raise UnsafeInProduction(reasons)


async def unsafe(settings: Settings, servers: Servers) -> list[str]:
    """All reasons not to start in production, whatever the profile.

    Raises ServerUnreachable if Postgres cannot be asked and nothing else stands in the way.
    """
    reasons = unsafe_settings(settings, servers)
    if await redis_lets_anyone_in(servers.redis_url):
        reasons.append("REDIS_URL: the server answers without a password.")
    try:
        async with open_postgres(servers.database_url, size=1) as pool:
            problems = await unsafe_postgres(pool)
    except ServerUnreachable:
        if not reasons:
            raise
        problems = []
    return reasons + [f"DATABASE_URL: {problem}." for problem in problems]
