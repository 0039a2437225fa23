"""Migrations run once, in order, and a database of another version is refused by name."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from cases.ids import MAIN
from cases.state import opening_step
from runtime.servers import Servers
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.migrations import SchemaMismatch, check_schema, known_migrations, migrate
from stores.postgres import Pool, open_pool
from stores.steps import encode_steps
from tests.stores.support import own_database, probe, request

NEWEST = known_migrations()[-1].version


@pytest.fixture
async def dsn(servers: Servers, number: str) -> AsyncGenerator[str]:
    async with own_database(servers, f"migrations_{number}") as address:
        yield address


@pytest.fixture
async def pool(dsn: str) -> AsyncGenerator[Pool]:
    opened = await open_pool(dsn, size=1)
    yield opened
    await opened.close()


async def test_a_fresh_database_gets_every_migration_in_order(dsn: str, pool: Pool) -> None:
    assert await migrate(dsn) == list(range(1, NEWEST + 1))

    await check_schema(pool)
    assert await pool.fetchval("SELECT count(*) FROM cases") == 0


async def test_a_repeat_applies_nothing(dsn: str, pool: Pool) -> None:
    await migrate(dsn)
    before = await pool.fetch("SELECT * FROM schema_migrations ORDER BY version")

    assert await migrate(dsn) == []
    assert await pool.fetch("SELECT * FROM schema_migrations ORDER BY version") == before


async def test_tasks_that_migrate_at_once_apply_each_migration_once(dsn: str, pool: Pool) -> None:
    applied = await asyncio.gather(*(migrate(dsn) for _ in range(4)))

    assert sorted(applied) == [[], [], [], list(range(1, NEWEST + 1))]
    assert await pool.fetchval("SELECT count(*) FROM schema_migrations") == NEWEST


async def test_processes_that_migrate_at_once_apply_each_migration_once(
    dsn: str, pool: Pool
) -> None:
    code = (
        "import asyncio, sys; from stores.migrations import migrate; "
        "print(asyncio.run(migrate(sys.argv[1])))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, dsn, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [await process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    said = sorted(out.decode().strip() for out, _ in answers)
    assert said == [str(list(range(1, NEWEST + 1))), "[]"]
    assert await pool.fetchval("SELECT count(*) FROM schema_migrations") == NEWEST


def test_a_gap_in_the_files_is_refused_with_both_numbers(tmp_path: Path) -> None:
    for name in ("0001_a.sql", "0002_b.sql", "0004_d.sql"):
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(SchemaMismatch, match=r"Migration 3 is missing: after 2 comes 4\."):
        known_migrations(tmp_path)


async def test_a_gap_in_the_database_is_refused_with_both_numbers(dsn: str, pool: Pool) -> None:
    await migrate(dsn)
    await pool.execute("DELETE FROM schema_migrations WHERE version = 2")

    with pytest.raises(SchemaMismatch, match=r"lacks migration 2: after 1 it has 3\."):
        await migrate(dsn)
    assert await pool.fetchval("SELECT count(*) FROM schema_migrations") == NEWEST - 1


async def test_a_migration_that_was_changed_after_it_ran_is_refused(dsn: str) -> None:
    await migrate(dsn)
    edited = known_migrations()
    edited[1] = edited[1].model_copy(update={"sql": edited[1].sql + "\n-- a later thought\n"})

    with pytest.raises(SchemaMismatch, match="Migration 2 was applied in another form"):
        await migrate(dsn, edited)


async def test_a_migration_that_fails_leaves_nothing_of_its_run(dsn: str, pool: Pool) -> None:
    broken = known_migrations()
    last = broken[-1]
    bad = "CREATE TABLE half (); INSERT INTO schema_migrations SELECT max(version) + 1, '', '' "
    bad += "FROM schema_migrations;"
    broken[-1] = last.model_copy(update={"sql": bad})

    with pytest.raises(asyncpg.UniqueViolationError):  # the migration ran, its note did not
        await migrate(dsn, broken)

    assert await pool.fetchval("SELECT to_regclass('half') IS NULL")
    assert await pool.fetchval("SELECT max(version) FROM schema_migrations") is None
    assert await migrate(dsn) == list(range(1, NEWEST + 1))


async def test_an_older_database_is_refused_at_start_up_with_both_versions(
    dsn: str, pool: Pool
) -> None:
    await migrate(dsn, known_migrations()[:-1])

    said = rf"version {NEWEST - 1}, this code needs {NEWEST}: run `casekeeper migrate`"
    with pytest.raises(SchemaMismatch, match=said):
        await check_schema(pool)


async def test_a_newer_database_is_refused_at_start_up_and_by_migrate(dsn: str, pool: Pool) -> None:
    await migrate(dsn)
    older = known_migrations()[:-1]

    said = rf"version {NEWEST}, this code needs {NEWEST - 1}: use a newer Casekeeper"
    with pytest.raises(SchemaMismatch, match=said):
        await check_schema(pool, older)
    with pytest.raises(SchemaMismatch, match=rf"version {NEWEST}, this code knows only"):
        await migrate(dsn, older)


async def test_an_empty_database_is_refused_at_start_up(pool: Pool) -> None:
    with pytest.raises(SchemaMismatch, match=rf"version 0, this code needs {NEWEST}"):
        await check_schema(pool)


async def test_a_database_of_the_first_release_is_brought_up_with_its_cases(
    dsn: str, pool: Pool, case_id: str
) -> None:
    """0.1.0 had five migrations: its cases load, verify and go on, and its sections keep owners."""
    await migrate(dsn, known_migrations()[:5])
    cases = PostgresCases(pool)
    encoded = encode_steps([opening_step(request())], {})
    await pool.execute(
        "SELECT open_case($1, 'main', 'cus_1', 1, $2, $3)",  # as that release called it
        case_id,
        encoded.steps,
        encoded.bodies,
    )
    await cases.commit(case_id, MAIN, [probe(1)], {})

    assert await migrate(dsn) == list(range(6, NEWEST + 1))

    state = await cases.load(case_id, MAIN)
    assert state.completed_steps == ("open", "probe:1")
    await cases.commit(case_id, MAIN, [probe(2, name="probe:2")], state.expected("probe"))
    assert (await cases.load(case_id, MAIN, at=2)) == state
    assert await PostgresAudit(pool).verify(case_id, MAIN) == []
