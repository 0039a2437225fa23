"""The database as the role that owns the tables, for the few commands that need it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from cases.errors import Forbidden
from runtime.servers import find_servers
from runtime.settings import Settings
from stores.migrations import check_schema
from stores.postgres import Pool
from workers.composition import open_postgres
from workers.profile import refuse_unsafe


@asynccontextmanager
async def open_as_owner(settings: Settings, to: str) -> AsyncGenerator[Pool]:
    """Connect to do that; raises ServerUnreachable, SchemaMismatch, Forbidden for another role."""
    servers = find_servers(settings)
    await refuse_unsafe(settings, servers)
    async with open_postgres(servers.owner_database_url, size=1) as pool:
        await check_schema(pool)
        try:
            yield pool
        except asyncpg.InsufficientPrivilegeError as error:
            raise Forbidden(
                f"This role of Postgres may not {to}: set OWNER_DATABASE_URL to the role that owns "
                "the tables."
            ) from error
