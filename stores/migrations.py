"""The database's schema: numbered migrations, the functions as they are now, and their callers.

A migration is never changed once it was used. A function is changed in place, and its signature
only with a migration. All that is missing is applied in one transaction.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from cases.records import Record
from stores.postgres import Pool

#: The version that the functions and queries of this code are written for.
NEEDED = 11
#: Any two migrating processes take turns under this advisory lock.
_LOCK = 0x6361_7365  # "case"

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


class SchemaMismatch(Exception):
    """The database's schema and this code do not fit; the sentence names both versions."""


class Migration(Record):
    """One file: 0001_cases.sql has version 1 and name cases."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations(folder: Traversable | None = None) -> list[Migration]:
    """All migrations of this code, in order. Raises SchemaMismatch where one is missing."""
    own = folder is None
    folder = folder or files("stores").joinpath("migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    found = [
        Migration(version=int(number), name=rest, sql=folder.joinpath(name).read_text("utf-8"))
        for name in names
        for number, _, rest in [name.removesuffix(".sql").partition("_")]
    ]
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise SchemaMismatch(
                f"Migration {expected} is missing: after {expected - 1} comes {migration.version}."
            )
    if own and len(found) != NEEDED:
        raise SchemaMismatch(f"This code needs migration {NEEDED}, and has {len(found)} of them.")
    return found


async def migrate(
    dsn: str, known: Sequence[Migration] | None = None, *, app_role: str | None = None
) -> list[int]:
    """Bring the database up to this code, as its owner; the versions that were applied now.

    `app_role` runs cases and gets only what that needs. Raises SchemaMismatch for a database that
    this code's migrations did not make. Functions and grants belong to the newest version: with
    other migrations than this code's they are left alone.
    """
    complete = known is None
    known = known or known_migrations()
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        applied = {row["version"]: row["checksum"] for row in await _applied(connection)}
        _compare(known, applied)
        missing = [migration for migration in known if migration.version not in applied]
        async with connection.transaction():
            for migration in missing:
                await _apply(connection, migration)
            if complete:
                await _replace_functions(connection)
                await _grant(connection, app_role)
        return [migration.version for migration in missing]
    finally:
        await connection.close()


async def check_schema(pool: Pool, known: Sequence[Migration] | None = None) -> None:
    """Raise SchemaMismatch unless the database is exactly at this code's version."""
    newest = (known or known_migrations())[-1].version
    exists = await pool.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    found = (
        await pool.fetchval("SELECT coalesce(max(version), 0) FROM schema_migrations")
        if exists
        else 0
    )
    if found != newest:
        advice = "run `casekeeper migrate`" if found < newest else "use a newer Casekeeper"
        raise SchemaMismatch(
            f"The database has schema version {found}, this code needs {newest}: {advice}."
        )


async def current_role(pool: Pool) -> str:
    """Who we are to this database."""
    return str(await pool.fetchval("SELECT current_user"))


async def register_owners(pool: Pool, owners: Mapping[str, str]) -> None:
    """Say whose each section is, as the tables' owner; what is known already stays."""
    known = "INSERT INTO section_owners (name, owner) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
    await pool.executemany(known, sorted(owners.items()))


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> list[asyncpg.Record]:
    return await connection.fetch("SELECT version, checksum FROM schema_migrations")


def _compare(known: Sequence[Migration], applied: dict[int, str]) -> None:
    newest = known[-1].version
    if applied and max(applied) > newest:
        raise SchemaMismatch(
            f"The database has schema version {max(applied)}, this code knows only {newest}."
        )
    for expected, version in enumerate(sorted(applied), start=1):
        if version != expected:
            raise SchemaMismatch(
                f"The database lacks migration {expected}: after {expected - 1} it has {version}."
            )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise SchemaMismatch(
                f"Migration {migration.version} was applied in another form than this code has."
            )


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        migration.version, migration.name, migration.checksum,
    )  # fmt: skip


async def _replace_functions(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    folder = files("stores").joinpath("functions")
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        await connection.execute(item.read_text("utf-8"))


async def _grant(connection: "asyncpg.Connection[asyncpg.Record]", app_role: str | None) -> None:
    # Whoever owns the tables needs no grants, and must not lose what it has.
    if app_role and app_role != await connection.fetchval("SELECT current_user"):
        await connection.execute("SELECT set_config('casekeeper.app_role', $1, true)", app_role)
        await connection.execute(files("stores").joinpath("grants.sql").read_text("utf-8"))
