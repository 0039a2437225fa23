"""Many writers of one case: every accepted update is there once, and nothing is ever half there."""

import asyncio

import asyncpg
import pytest

from cases.errors import ConcurrentModification
from cases.ids import MAIN
from runtime.servers import Servers
from stores.cases import PostgresCases
from stores.postgres import Pool, open_pool
from tests.stores.support import ProbeSection, blocked_by, commit, opened, other, probe, step
from workers.composition import Stores

WRITERS = 8
UPDATES = 25


async def _write_all(stores: Stores, case_id: str, writer: int) -> int:
    """Append this writer's marks to one section, reloading after each conflict; the conflicts."""
    conflicts = 0
    for update in range(UPDATES):
        mark = f"{writer}.{update}"
        while True:
            state = await stores.cases.load(case_id, MAIN)
            section = state.get(ProbeSection)
            marks: list[str] = [*(section.content if section else []), mark]
            try:
                await commit(stores.cases, state, probe(marks, name=f"probe:{mark}"))
                break
            except ConcurrentModification:
                conflicts += 1
    return conflicts


async def test_writers_that_reload_and_retry_lose_no_update(stores: Stores, case_id: str) -> None:
    await opened(stores, case_id)

    async with asyncio.timeout(120):
        conflicts = await asyncio.gather(
            *(_write_all(stores, case_id, writer) for writer in range(WRITERS))
        )

    state = await stores.cases.load(case_id, MAIN)
    section = state.get(ProbeSection)
    assert section
    wanted = sorted(f"{writer}.{update}" for writer in range(WRITERS) for update in range(UPDATES))
    assert sorted(section.content) == wanted
    lines = await stores.cases.history(case_id, MAIN)
    assert [line.version for line in lines] == list(range(1, WRITERS * UPDATES + 2))
    assert sum(conflicts) > 0, "the writers never met"
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_owners_of_two_sections_never_conflict(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)

    for n in range(20):
        expected = state.expected("probe", "other_probe")
        updates = [probe(n, name=f"probe:{n}"), other(n, name=f"other:{n}")]
        done = await asyncio.gather(
            *(stores.cases.commit(case_id, MAIN, [update], expected) for update in updates)
        )
        state = await stores.cases.load(case_id, MAIN)
        assert {one.version for one in done} == {2 * n + 2, 2 * n + 3}

    assert [len(state.completed_steps), state.version] == [41, 41]


async def test_one_step_committed_at_once_is_there_once(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)

    done = await asyncio.gather(*(commit(stores.cases, state, probe(n)) for n in range(8)))

    assert {one.version for one in done} == {2}
    assert sorted(one.repeated for one in done) == [False, *[True] * 7]
    assert (await stores.cases.load(case_id, MAIN)).version == 2


async def test_a_commit_whose_connection_is_cut_leaves_nothing(
    stores: Stores, owner: Pool, case_id: str
) -> None:
    state = await opened(stores, case_id)
    async with owner.acquire() as blocker:
        transaction = blocker.transaction()
        await transaction.start()
        # The commit has written its section and waits here, in the middle of its transaction.
        await blocker.execute("LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE")
        commits = asyncio.create_task(commit(stores.cases, state, probe(1)))
        backend = await blocked_by(blocker)
        await blocker.execute("SELECT pg_terminate_backend($1)", backend)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await commits
        await transaction.rollback()

    assert await stores.cases.load(case_id, MAIN) == state
    for table in ("sections", "case_audit", "checkpoints"):
        versions = f"SELECT count(*) FROM {table} WHERE case_id = $1 AND version > 1"  # noqa: S608
        assert await stores.pool.fetchval(versions, case_id) == 0
    assert (await commit(stores.cases, state, probe(1))).version == 2
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_a_statement_that_lost_to_a_deadlock_is_run_again(
    stores: Stores, owner: Pool, case_id: str
) -> None:
    """One transaction locks two cases; a step of one of them, made to need both, meets it."""
    state = await opened(stores, case_id)
    second = await opened(stores, f"{case_id}-b")
    async with owner.acquire() as crossing, crossing.transaction():
        lock = "SELECT 1 FROM cases WHERE case_id = $1 FOR UPDATE"
        await crossing.execute(
            "CREATE FUNCTION cross_lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM 1 FROM cases WHERE case_id = NEW.case_id || '-b' FOR UPDATE; RETURN NEW; "
            "END $$"
        )
    await owner.execute(
        "CREATE TRIGGER cross_lock AFTER INSERT ON messages FOR EACH ROW "
        f"WHEN (NEW.case_id = '{case_id}') EXECUTE FUNCTION cross_lock()"
    )
    try:
        message = state.messages[0].model_copy(update={"message_id": "m2"})
        update = step("message:m2", owner="intake", messages=(message,))
        async with owner.acquire() as crossing:
            # The step waits for us first, and so its own detector fires first.
            await crossing.execute("SET deadlock_timeout = '20s'")
            try:
                async with crossing.transaction():
                    await crossing.execute(lock, second.case_id)
                    task = asyncio.create_task(commit(stores.cases, state, update))
                    await asyncio.sleep(0.3)
                    await crossing.execute(lock, case_id)
                done = await asyncio.wait_for(task, 10)
            finally:
                await crossing.execute("RESET deadlock_timeout")
    finally:
        await owner.execute("DROP TRIGGER cross_lock ON messages")
        await owner.execute("DROP FUNCTION cross_lock()")

    assert done.version == 2
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_a_pool_of_one_connection_serves_many_at_once(
    stores: Stores, case_id: str, servers: Servers
) -> None:
    state = await opened(stores, case_id)
    pool = await open_pool(servers.database_url, size=1)
    try:
        cases = PostgresCases(pool)
        updates = [probe(n, name=f"probe:{n}") for n in range(20)]
        results = await asyncio.gather(
            *(commit(cases, state, update) for update in updates), return_exceptions=True
        )
    finally:
        await pool.close()
    accepted = [result for result in results if not isinstance(result, BaseException)]
    assert len(accepted) == 1
    assert all(isinstance(r, ConcurrentModification) for r in results if r not in accepted)
