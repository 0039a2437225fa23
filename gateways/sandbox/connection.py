"""The sandbox's own connections to Postgres."""

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Pool = asyncpg.Pool
