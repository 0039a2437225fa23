"""The statements that a step commit consists of, on tables of their own and without our functions.

They run on the connection that commits steps, so both pay for the same network, role and disk.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from cases.ids import MAIN
from stores.postgres import Connection, Pool

# Parameters: case, branch, version, and the body where there is one.
_UPDATE_CASE = """
UPDATE bare.cases SET version = $3, status = 'received', error = NULL, retries = '{}',
    current_owner = 'bare', schema_version = 1, closed_at = NULL, updated_at = clock_timestamp(),
    audit_seq = $3, audit_head = decode(repeat('ab', 32), 'hex')
WHERE case_id = $1 AND branch = $2"""
_INSERT_SECTION = """
INSERT INTO bare.sections (case_id, branch, name, version, owner, body)
VALUES ($1, $2, 'bare', $3, 'bare', $4)"""
_INSERT_AUDIT = """
INSERT INTO bare.case_audit (case_id, branch, seq, version, at, actor, event, step, section,
    old_version, body_hash, detail, prev_hash, hash)
VALUES ($1, $2, $3, $3, clock_timestamp(), 'bare', 'section_written', 'bare:' || $3::bigint, 'bare',
    $3 - 1, decode(repeat('ab', 32), 'hex'), '{"reason":"benchmark"}',
    decode(repeat('ab', 32), 'hex'), decode(repeat('ab', 32), 'hex'))"""
_INSERT_CHECKPOINT = """
INSERT INTO bare.checkpoints (case_id, branch, version, step, owner, parent_branch, parent_version,
    status, retries, size, schema_version)
VALUES ($1, $2, $3, 'bare:' || $3::bigint, 'bare', $2, $3 - 1, 'received', '{}', 100, 1)"""
_ALL_AT_ONCE = (
    f"WITH a AS ({_UPDATE_CASE}), b AS ({_INSERT_SECTION}), c AS ({_INSERT_AUDIT})"
    + _INSERT_CHECKPOINT
)

#: The record's tables that a step writes. The last three refer to the first.
_TABLES = ["cases", "sections", "case_audit", "checkpoints"]
_REFERENCES = """
SELECT c.relname, pg_get_constraintdef(k.oid) AS definition
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
 WHERE k.contype = 'f' AND k.conrelid = ANY ($1::text[]::regclass[])
   AND k.confrelid = ANY ($1::text[]::regclass[])"""


@asynccontextmanager
async def bare_tables(owner: Pool) -> AsyncGenerator[None]:
    """The schema `bare`: tables with the columns, keys and indexes of the record's, but empty."""
    await owner.execute("DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare")
    try:
        for table in _TABLES:
            await owner.execute(f"CREATE TABLE bare.{table} (LIKE {table} INCLUDING ALL)")
        for row in await owner.fetch(_REFERENCES, _TABLES):
            reference = row["definition"].replace("REFERENCES ", "REFERENCES bare.")
            await owner.execute(f"ALTER TABLE bare.{row['relname']} ADD {reference}")
        await owner.execute(
            "GRANT USAGE ON SCHEMA bare TO PUBLIC;"
            "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA bare TO PUBLIC"
        )
        yield
    finally:
        await owner.execute("DROP SCHEMA bare CASCADE")


async def open_bare_case(connection: Connection, case_id: str) -> None:
    """The row that the commits update."""
    await connection.execute(
        "INSERT INTO bare.cases (case_id, branch, customer_id, status, schema_version) "
        "VALUES ($1, $2, 'bare', 'received', 1)",
        case_id,
        MAIN,
    )


async def commit_at_once(connection: Connection, case_id: str, version: int, body: bytes) -> None:
    """The least that a step commit can cost: its four statements as one, in one round trip."""
    await connection.execute(_ALL_AT_ONCE, case_id, MAIN, version, body)


async def commit_one_by_one(
    connection: Connection, case_id: str, version: int, body: bytes
) -> None:
    """The same statements as most code runs them: BEGIN, one round trip each, COMMIT."""
    async with connection.transaction():
        await connection.execute(_UPDATE_CASE, case_id, MAIN, version)
        await connection.execute(_INSERT_SECTION, case_id, MAIN, version, body)
        await connection.execute(_INSERT_AUDIT, case_id, MAIN, version)
        await connection.execute(_INSERT_CHECKPOINT, case_id, MAIN, version)
