"""A case's newest rows are lost, as in a failover: the record stands again as it stood before."""

from datetime import timedelta

from stores.postgres import Pool

#: What the record has of a case, what is pointed at first.
_TABLES = (
    "cases",
    "sections",
    "messages",
    "checkpoints",
    "case_audit",
    "approvals",
    "effects",
    "compensations",
    "tasks",
)

#: All rows of a case, by table.
Rows = dict[str, str]


async def rows_of(owner: Pool, case_id: str) -> Rows:
    """The rows of a case as they are now."""
    rows: Rows = {}
    async with owner.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        for table in _TABLES:
            rows[table] = await connection.fetchval(
                f"SELECT coalesce(json_agg(t), '[]') FROM {table} t WHERE case_id = $1",  # noqa: S608
                case_id,
            )
    return rows


async def put_back(owner: Pool, case_id: str, rows: Rows) -> None:
    """Only these rows are left of a case."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table, then in rows.items():
            await connection.execute(f"DELETE FROM {table} WHERE case_id = $1", case_id)  # noqa: S608
            await connection.execute(
                f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1)",  # noqa: S608
                then,
            )


async def let_time_pass(owner: Pool, case_id: str, since: timedelta = timedelta(hours=2)) -> None:
    """As if nothing had gone on with the case for so long."""
    await owner.execute(
        "UPDATE cases SET updated_at = updated_at - $2::interval WHERE case_id = $1", case_id, since
    )
