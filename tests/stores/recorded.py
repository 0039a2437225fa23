"""A record of a test's own, with signed heads, to tamper with: a copy of one small database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from cases.effects import EffectState, Outcome
from cases.ids import MAIN
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.effects import PostgresLedger
from stores.heads import HeadsFiles, HeadsReader
from stores.migrations import migrate
from stores.postgres import Pool, open_pool
from stores.verification import Report, verify
from tests.stores.support import commit, intent, order, probe, refund_step, request
from workers.heads import export_heads

#: The cases of every copy, and the rows of each: a message, four sections, a refund, a note.
CASES = ("case_1", "case_2", "case_3")
ROWS = 9

_TABLES = ("case_audit", "sections", "messages", "checkpoints", "cases", "effects", "archive")
_PAID = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")


@dataclass(frozen=True)
class Recorded:
    """One copy, as whoever owns its tables."""

    dsn: str
    pool: Pool
    files: HeadsFiles

    @property
    def audit(self) -> PostgresAudit:
        return PostgresAudit(self.pool)

    async def sign(self, *, everything: bool = False) -> int:
        return await export_heads(self.audit, self.files, everything=everything)

    async def verify(self, case_id: str | None = None, *, public_key: Path | None = None) -> Report:
        reader = HeadsReader(self.files.heads, public_key or self.files.public_key)
        return await verify(self.audit, reader, (case_id, MAIN) if case_id else None)

    async def tamper(self, *statements: str) -> None:
        """What only the tables' owner can do."""
        async with self.pool.acquire() as connection, connection.transaction():
            for table in _TABLES:
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                await connection.execute(statement)
            for table in _TABLES:
                await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    async def write(self, case_id: str, number: int) -> None:
        """One more step of a case."""
        cases = PostgresCases(self.pool)
        state = await cases.load(case_id, MAIN)
        await commit(cases, state, probe({"n": number}, name=f"probe:{number}"))


def sql(text: str, *values: object) -> str:
    """A statement with names and numbers put in, as no parameter could be."""
    return text.format(*values)


@asynccontextmanager
async def filled(dsn: str) -> AsyncGenerator[None]:
    """The database with its schema and cases; nobody is connected to it in the block."""
    await migrate(dsn)
    pool = await open_pool(dsn, size=2)
    try:
        for number, case_id in enumerate(CASES):
            await open_case(pool, case_id, str(number))
    finally:
        await pool.close()
    yield


async def open_case(pool: Pool, case_id: str, number: str) -> None:
    """A case of ROWS audit rows."""
    cases, ledger = PostgresCases(pool), PostgresLedger(pool)
    await cases.open(case_id, MAIN, f"cus_{case_id}", request())
    state = await cases.load(case_id, MAIN)
    for n in range(1, 5):
        update = probe({"n": n}, name=f"probe:{n}")
        done = await commit(cases, state, update)
        state = state.after(update, done.version)
    refund = intent(state, order(number))
    await ledger.claim(refund)
    await ledger.settle(refund, _PAID, refund_step(order(number), _PAID), {"refund": 0})
    await PostgresAudit(pool).note(case_id, MAIN, "ann", "looked", "why not")


@asynccontextmanager
async def copy_of(template: str, name: str, folder: Path) -> AsyncGenerator[Recorded]:
    """A copy of a filled database, its heads signed; dropped at the end."""
    address, _, original = template.rpartition("/")
    admin = await asyncpg.connect(f"{address}/postgres")
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
        dsn = f"{address}/{name}"
        pool = await open_pool(dsn, size=8)
        files = HeadsFiles(heads=folder / "heads.jsonl", signing_key=folder / "signing-key.pem")
        recorded = Recorded(dsn, pool, files)
        try:
            assert await recorded.sign() == len(CASES)
            yield recorded
        finally:
            await pool.close()
            await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()
