"""One writer of many, as a process: `python -m tests.stores.writer_process CASE WRITER UPDATES`.

It reads the servers' addresses as a line of JSON, says "ready", waits for a line, and writes what
became of its updates. The tests run the same writer as a task.
"""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any, ClassVar

from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.errors import ConcurrentModification
from cases.records import Record
from cases.sections import Section
from cases.state import StepUpdate
from runtime.keys import KeyFile
from stores.cases import PostgresCases
from stores.customer_keys import CustomerKeys
from stores.hot import RedisHotStore
from stores.postgres import open_pool
from stores.redis import connect_redis

WRITERS = 8
#: Each such update is of the section that all writers share, the others of the writer's own.
SHARED_EVERY = 5
#: The longest pause before an update is tried again, in seconds.
PAUSE_S = 0.1


class MarksSection(Section):
    """What writers add their marks to."""

    marks: tuple[str, ...] = ()


class SharedSection(MarksSection):
    name: ClassVar[str] = "marks_of_all"
    owner: ClassVar[str] = "all_writers"


def _own_section(writer: int) -> type[MarksSection]:
    class MarksOfOne(MarksSection):
        name: ClassVar[str] = f"marks_of_{writer}"
        owner: ClassVar[str] = f"writer_{writer}"

    return MarksOfOne


OWN = [_own_section(writer) for writer in range(WRITERS)]


class Written(Record):
    """The version that each accepted update made, and how many attempts were refused."""

    versions: dict[str, int]
    conflicts: int


async def write_all(record: CaseRecord, ref: CaseRef, writer: int, updates: int) -> Written:
    """Add one mark per update, reloading after each conflict; other errors end the writer."""
    versions: dict[str, int] = {}
    conflicts = 0
    state = await record.load(ref)
    for number in range(updates):
        mark = f"{writer}.{number}"
        kind: type[MarksSection] = SharedSection if number % SHARED_EVERY == 0 else OWN[writer]
        while mark not in versions:
            found = state.get(kind)
            section = kind(marks=(*(found.marks if found else ()), mark))
            update = StepUpdate(step=mark, owner=kind.owner, sections={kind.name: section})
            try:
                report = await record.commit(state, [update])
            except ConcurrentModification:
                conflicts += 1
                await asyncio.sleep(random.uniform(0, PAUSE_S))  # noqa: S311  only jitter
                state = await record.load(ref)
            else:
                versions[mark] = report.done[0].version
                state = report.apply_to(state)
    return Written(versions=versions, conflicts=conflicts)


async def main(case_id: str, writer: str, updates: str) -> None:
    servers: dict[str, Any] = json.loads(sys.stdin.readline())
    pool = await open_pool(servers["database_url"], size=1)
    redis = connect_redis(servers["redis_url"])
    try:
        keys = CustomerKeys(pool, KeyFile(Path(servers["customer_keys"])))
        record = CaseRecord(PostgresCases(pool, keys), RedisHotStore(redis, keys))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        ref = CaseRef(case_id=case_id, customer_id="")
        written = await write_all(record, ref, int(writer), int(updates))
    finally:
        await pool.close()
        await redis.aclose()
    sys.stdout.write(written.model_dump_json())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
