"""Eight writers and 200 updates each on one case: what was accepted is there once, in one order.

A fifth of the updates is of one section that all of them share, by reading, adding and
committing, and once more after each conflict; the rest is of sections that each has for itself.
"""

import asyncio
import itertools
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

from activities.steps import CaseRef
from cases.ids import MAIN
from cases.records import canonical
from runtime.servers import Servers
from stores.hot import RedisHotStore
from tests.stores.support import opened
from tests.stores.writer_process import (
    OWN,
    SHARED_EVERY,
    WRITERS,
    SharedSection,
    Written,
    write_all,
)
from workers.composition import Stores

UPDATES = 200
ALL_DONE_S = 240

_ROOT = Path(__file__).parents[2]


def _marks(writer: int, *, shared: bool) -> list[str]:
    return [f"{writer}.{n}" for n in range(UPDATES) if (n % SHARED_EVERY == 0) is shared]


async def _assert_each_update_is_there_once(
    stores: Stores, hot: RedisHotStore, case_id: str, written: Sequence[Written]
) -> None:
    state = await stores.cases.load(case_id, MAIN)
    accepted = [(version, mark) for one in written for mark, version in one.versions.items()]
    last = 1 + WRITERS * UPDATES

    assert [version for version, _ in sorted(accepted)] == list(range(2, last + 1))
    assert state.completed_steps == ("open", *(mark for _, mark in sorted(accepted)))
    lines = await stores.cases.history(case_id, MAIN, limit=2 * last)
    assert sorted(line.version for line in lines) == list(range(1, last + 1))

    shared = state.get(SharedSection)
    assert shared
    everyone = [_marks(writer, shared=True) for writer in range(WRITERS)]
    assert sorted(shared.marks) == sorted(itertools.chain.from_iterable(everyone))
    for writer, kind in enumerate(OWN):
        own = state.get(kind)
        assert own
        assert list(own.marks) == _marks(writer, shared=False)

    assert sum(one.conflicts for one in written) > 0, "the writers never met"
    assert await stores.audit.verify(case_id, MAIN) == []
    assert await hot.read(case_id, MAIN) in (None, state)
    ref = CaseRef(case_id=case_id, customer_id=state.customer_id, at_least=last)
    assert await stores.record.load(ref) == state
    assert await hot.read(case_id, MAIN) == state


async def test_eight_tasks_lose_no_update(stores: Stores, hot: RedisHotStore, case_id: str) -> None:
    ref = CaseRef(case_id=case_id, customer_id=(await opened(stores, case_id)).customer_id)

    async with asyncio.timeout(ALL_DONE_S):
        written = await asyncio.gather(
            *(write_all(stores.record, ref, writer, UPDATES) for writer in range(WRITERS))
        )

    await _assert_each_update_is_there_once(stores, hot, case_id, written)


async def test_eight_processes_lose_no_update(
    stores: Stores, hot: RedisHotStore, servers: Servers, case_id: str
) -> None:
    await opened(stores, case_id)
    addresses = {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "customer_keys": str(servers.customer_keys),
    }
    command = [sys.executable, "-m", "tests.stores.writer_process", case_id]
    processes = [
        await asyncio.create_subprocess_exec(
            *command, str(writer), str(UPDATES), stdin=PIPE, stdout=PIPE, cwd=_ROOT
        )
        for writer in range(WRITERS)
    ]
    try:
        async with asyncio.timeout(ALL_DONE_S):
            for process in processes:  # they begin together, and not as each of them is loaded
                assert process.stdin
                assert process.stdout
                process.stdin.write(canonical(addresses) + b"\n")
                assert await process.stdout.readline() == b"ready\n"
            outputs = await asyncio.gather(*(one.communicate(b"go\n") for one in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert [process.returncode for process in processes] == [0] * WRITERS
    written = [Written.model_validate_json(answer) for answer, _ in outputs]
    await _assert_each_update_is_there_once(stores, hot, case_id, written)
