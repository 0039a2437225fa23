"""The pool: one transaction an operation, and a bounded wait whatever the server does."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from cases.effects import EffectState, Outcome
from cases.errors import InvalidInput
from cases.ids import MAIN
from runtime.servers import Servers
from stores.approvals import PostgresApprovals
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.effects import PostgresLedger
from stores.postgres import Pool, case_errors, details, fetch_row, open_pool
from tests.stores.support import commit, intent, opened, order, other, probe, refund_step
from workers.composition import Stores

SUCCEEDED = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")


@pytest.fixture
async def single(servers: Servers) -> AsyncGenerator[Pool]:
    """A pool of one connection, so that all its statements can be counted."""
    pool = await open_pool(servers.database_url, size=1)
    yield pool
    await pool.close()


class Counter:
    """Counts what one connection sends, and the transactions that it makes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements: list[str] = []

    async def of(self, call: Callable[[], Awaitable[object]]) -> tuple[int, int]:
        """Statements and committed transactions of the call."""
        self.statements.clear()
        connection: Any = await self._pool.acquire()
        raw = connection._con
        pid = connection.get_server_pid()
        await self._pool.release(connection)
        before = await self._transactions(pid)
        raw.add_query_logger(self._note)
        try:
            await call()
        finally:
            raw.remove_query_logger(self._note)
        return len(self.statements), await self._transactions(pid) - before

    def _note(self, record: object) -> None:
        self.statements.append(str(getattr(record, "query", "")))

    async def _transactions(self, pid: int) -> int:
        """Virtual transaction ids count a backend's transactions."""
        found = await self._pool.fetchval(
            "SELECT split_part(virtualtransaction, '/', 2)::bigint FROM pg_locks "
            "WHERE pid = $1 AND locktype = 'virtualxid' LIMIT 1",
            pid,
        )
        return int(found)


async def test_each_operation_is_one_statement_and_one_transaction(
    stores: Stores, single: Pool, case_id: str, number: str
) -> None:
    keys = stores.keys  # they are known by then
    cases, ledger = PostgresCases(single, keys), PostgresLedger(single, keys)
    audit = PostgresAudit(single, keys)
    state = await opened(stores, case_id)
    refund, paid = intent(state, order(number)), refund_step(order(number), SUCCEEDED)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "commit": lambda: commit(cases, state, probe(1)),
        "load": lambda: cases.load(case_id, MAIN),
        "load at": lambda: cases.load(case_id, MAIN, at=1),
        "dossier": lambda: cases.load_dossier(case_id, MAIN),
        "claim": lambda: ledger.claim(refund),
        "settle": lambda: ledger.settle(refund, SUCCEEDED, paid, {}),
        "verify": lambda: audit.verify(case_id, MAIN),
        "inbox": lambda: PostgresApprovals(single, keys).open_requests(),
    }
    counter = Counter(single)
    for call in calls.values():  # asyncpg prepares each statement once per connection
        await call()
    again = await opened(stores, f"{case_id}-2")
    refund, paid = intent(again, order(f"{number}-2")), refund_step(order(f"{number}-2"), SUCCEEDED)
    calls["commit"] = lambda: commit(cases, again, probe(1), other(1))

    own = (await counter.of(_nothing))[1]  # what counting itself takes
    counts = {name: await counter.of(call) for name, call in calls.items()}

    assert counts == dict.fromkeys(calls, (1, 1 + own))


async def _nothing() -> None: ...


async def test_giving_a_connection_back_sends_nothing(single: Pool) -> None:
    counter = Counter(single)

    async def borrow() -> None:
        for _ in range(5):
            async with single.acquire():
                pass

    own = (await counter.of(_nothing))[1]
    assert await counter.of(borrow) == (0, own)


async def test_a_statement_is_given_up_after_the_deadline(servers: Servers) -> None:
    pool = await open_pool(servers.database_url, size=1, deadline_s=0.3)
    try:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT pg_sleep(20)")
        assert time.monotonic() - started < 3
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        await pool.close()


async def test_a_frozen_backend_is_given_up_after_the_deadline(
    servers: Servers, stores: Stores, case_id: str
) -> None:
    """The server's own time-outs do not fire here, and neither does its cancel request."""
    await opened(stores, case_id)
    pool = await open_pool(servers.database_url, size=1, deadline_s=0.3)
    cases = PostgresCases(pool, stores.keys)
    backend: int = await pool.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await cases.load(case_id, MAIN)
        assert time.monotonic() - started < 5
        async with asyncio.timeout(5):  # on a new connection
            assert (await cases.load(case_id, MAIN)).version == 1
    finally:
        os.kill(backend, signal.SIGCONT)
        pool.terminate()


async def test_a_killed_backend_costs_one_statement(servers: Servers, owner: Pool) -> None:
    pool = await open_pool(servers.database_url, size=1)
    try:
        backend = await pool.fetchval("SELECT pg_backend_pid()")
        await owner.execute("SELECT pg_terminate_backend($1)", backend)
        await asyncio.sleep(0.1)
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        await pool.close()


async def test_a_value_of_the_wrong_kind_is_invalid_input(stores: Stores, case_id: str) -> None:
    with pytest.raises(InvalidInput, match="cannot store"):
        async with case_errors(case_id, MAIN):
            await fetch_row(stores.pool, "commit_steps", case_id, MAIN, 1, "{not json", [])


async def test_an_error_of_the_server_itself_passes_unchanged(stores: Stores, case_id: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with case_errors(case_id, MAIN):
            await stores.pool.execute("SELECT * FROM no_such_table")


def test_an_error_without_detail_has_no_details() -> None:
    assert details(asyncpg.PostgresError()) == {}
