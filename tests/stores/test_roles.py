"""The role that runs cases looks and calls functions; nothing recorded can be changed by it."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import pytest

from cases.ids import MAIN
from cases.sections import section_owners
from runtime.servers import Servers
from stores.approvers import PostgresApprovers
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.migrations import check_schema, current_role, migrate, register_owners
from stores.postgres import Pool, open_pool
from stores.queries import query
from stores.steps import encode_steps
from tests.stores.support import other, own_database, probe, request

#: Tables whose rows are never changed, not even by their owner.
APPEND_ONLY = ("case_audit", "sections", "checkpoints", "messages", "archive")
TABLES = (*APPEND_ONLY, "cases", "effects", "approvals", "approvers", "section_owners")


@dataclass(frozen=True)
class Roles:
    """A database of its own, as two roles: neither is a superuser."""

    app: Pool
    owner: Pool
    owner_dsn: str


@pytest.fixture(scope="module")
async def roles(servers: Servers, owner: Pool) -> AsyncGenerator[Roles]:
    names = [f"owner_{os.getpid()}", f"app_{os.getpid()}"]
    async with own_database(servers, f"roles_{os.getpid()}") as address:
        where = urlsplit(address)
        dsns = [
            where._replace(netloc=f"{name}:secret@{where.hostname}:{where.port}").geturl()
            for name in names
        ]
        for name in names:
            await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        await owner.execute(f'ALTER DATABASE "roles_{os.getpid()}" OWNER TO {names[0]}')
        await migrate(dsns[0], app_role=names[1])
        owns, app = [await open_pool(dsn, size=2) for dsn in dsns]
        await register_owners(owns, section_owners())
        yield Roles(app, owns, dsns[0])
        await app.close()
        await owns.close()
    for name in reversed(names):
        await owner.execute(f"DROP ROLE {name}")


async def _case(roles: Roles, case_id: str) -> None:
    cases = PostgresCases(roles.app)
    await cases.open(case_id, MAIN, "cus_1", request())
    await cases.commit(case_id, MAIN, [probe(1)], {})


async def test_the_role_runs_a_case_by_functions_alone(roles: Roles, case_id: str) -> None:
    await check_schema(roles.app)
    await _case(roles, case_id)

    assert (await PostgresCases(roles.app).load(case_id, MAIN)).version == 2
    assert await PostgresAudit(roles.app).verify(case_id, MAIN) == []
    assert await PostgresApprovers(roles.app).name_of("ckt_forged") is None


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
        "DROP TABLE {}",
        "ALTER TABLE {} ADD COLUMN more text",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} OWNER TO current_user",
        "INSERT INTO {} SELECT * FROM {}",
        "COPY {} FROM STDIN",
    ],
)
async def test_the_role_cannot_touch_a_table(
    roles: Roles, case_id: str, table: str, statement: str
) -> None:
    await _case(roles, case_id)
    before = await roles.owner.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.app.execute(statement.format(table, table))
    assert await roles.owner.fetchval(f"SELECT count(*) FROM {table}") == before  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE case_audit SET detail = ''",
        "UPDATE sections SET body = ''",
        "UPDATE cases SET audit_seq = 0",
        "UPDATE effects SET state = 'rejected'",
        "UPDATE approvals SET state = 'approved'",
        "UPDATE approvers SET limits = '{}'",
        "SELECT token_hash FROM approvers",
        "SELECT * FROM approvers",
        "SET session_replication_role = replica",
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP TRIGGER case_audit_append_only ON case_audit",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS ''",
        "DROP FUNCTION note_event(text, text, text, text, text, text)",
        "SELECT append_audit(c, 'me', 'forged', '', NULL, NULL, '', '') FROM cases c",
        "SELECT save_case(c) FROM cases c",
        "SELECT claim_section('billing', 'me')",
    ],
)
async def test_the_role_is_refused(roles: Roles, case_id: str, statement: str) -> None:
    await _case(roles, case_id)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.app.execute(statement)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET case_id = 'x'", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_the_owner_too_is_refused_while_the_triggers_are_on(
    roles: Roles, table: str, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"{table} is append-only"):
        await roles.owner.execute(statement.format(table))


async def test_a_temporary_table_does_not_mislead_a_function(roles: Roles, case_id: str) -> None:
    """A function of the owner's must not meet a table that its caller has put in the way."""
    await _case(roles, case_id)
    encoded = encode_steps([probe(2, name="probe:2")], {"probe": 2})
    async with roles.app.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE section_owners (name text, owner text)")
        await connection.execute("INSERT INTO section_owners VALUES ('probe', 'thief')")
        commit = query("commit_steps")
        await connection.execute(commit, case_id, MAIN, 1, encoded.steps, encoded.bodies)
        await connection.execute("DROP TABLE pg_temp.section_owners")

    assert (await PostgresCases(roles.app).load(case_id, MAIN)).version == 3


async def test_a_later_migration_grants_again_and_takes_nothing_away(
    roles: Roles, case_id: str
) -> None:
    role = await current_role(roles.app)
    assert await migrate(roles.owner_dsn, app_role=role) == []

    await _case(roles, case_id)
    await PostgresCases(roles.app).commit(case_id, MAIN, [other(1)], {})


async def test_the_owner_as_the_one_role_keeps_all_it_has(roles: Roles, case_id: str) -> None:
    owner = await current_role(roles.owner)
    await migrate(roles.owner_dsn, app_role=owner)

    assert (await PostgresCases(roles.owner).open(case_id, MAIN, "cus_1", request())).version == 1
