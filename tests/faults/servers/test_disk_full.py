"""The disk of Postgres is full: cases wait, and no money leaves before its row is on record."""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from runtime.servers import Servers
from runtime.settings import Settings
from starters.session import Session
from stores.postgres import Connection
from tests.conftest import SmallWorld
from tests.faults.checked import checked_tally
from tests.faults.servers.lone_postgres import LonePostgres
from tests.faults.servers.own import session_of
from tests.once.invariants import Tally
from tests.once.scenes import PATIENCE_S
from tests.workflows.doors import BEFORE
from tests.workflows.plays import worker_with_doors
from tests.workflows.support import BOTH
from workers.composition import sandbox_gateways
from workers.preparation import prepare

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk"),
    pytest.mark.timeout(240),
]
#: Room for an empty database, its log and little more.
_MEGABYTES = 160
#: It keeps what it has written of its log, and takes no more.
_SMALL_LOG = ("--min_wal_size=32MB", "--max_wal_size=32MB")


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
async def on_small_disk(
    small_disk: Path, servers: Servers, settings: Settings
) -> AsyncGenerator[tuple[LonePostgres, Session]]:
    """Casekeeper's own database is on the small disk; the outside world is not."""
    postgres = LonePostgres.in_folder(small_disk, *_SMALL_LOG)
    try:
        postgres.prepare()
        postgres.start()
        update = {
            "database_url": postgres.url,
            "owner_database_url": postgres.owner_url,
            "sandbox_database_url": servers.database_url,
        }
        elsewhere = servers.model_copy(update=update)
        await prepare(
            elsewhere.model_copy(update={"sandbox_database_url": servers.owner_database_url}),
            schedules=False,
        )
        async with session_of(elsewhere, settings, connections=20) as session:
            yield postgres, session
    finally:
        postgres.close()


_CASES = 24
_CLAIMED = """
SELECT count(*) FROM effects WHERE kind = 'refund' AND case_id = ANY($1) AND claimed_at <= $2"""


def _fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


async def _write_on(owner: Connection) -> None:
    await owner.execute("CREATE TABLE junk (filling text)")
    while True:
        await owner.execute("INSERT INTO junk SELECT repeat('x', 999) FROM generate_series(1, 500)")


async def _until_refused(postgres: LonePostgres) -> None:
    """Use up what the server had put by."""
    owner = await asyncpg.connect(postgres.owner_url)
    try:
        with pytest.raises(asyncpg.DiskFullError):
            await _write_on(owner)
    finally:
        await owner.close()


async def test_cases_wait_for_room_and_nothing_is_paid_that_is_not_on_record(
    on_small_disk: tuple[LonePostgres, Session], small_disk: Path, number: str
) -> None:
    postgres, session = on_small_disk
    worlds = [SmallWorld(session, f"{number}-{place}") for place in range(_CASES)]
    cases = [f"case_{world.number}" for world in worlds]
    for world in worlds:
        await world.twins()
    gateways = sandbox_gateways(session.stores, session.settings)
    async with worker_with_doors(session, gateways) as doors:
        gates = [doors.hold(case_id, "issue_refund", BEFORE) for case_id in cases]
        handles = [await world.start(BOTH) for world in worlds]
        for gate in gates:
            await gate.until_reached()
        filler = await asyncio.to_thread(_fill, small_disk)
        await _until_refused(postgres)
        doors.open_all()
        await asyncio.sleep(6)
        paid = sum([len(await world.refunds()) for world in worlds])
        answered = sum([len(await world.mails("answer")) for world in worlds])

        full_until = datetime.now(UTC)
        await asyncio.to_thread(filler.unlink)
        if not postgres.is_running():  # no room for its log ends it
            await asyncio.to_thread(postgres.start)
        claimed = await session.stores.pool.fetchval(_CLAIMED, cases, full_until)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(handle.result() for handle in handles))

    assert answered < _CASES
    assert paid <= claimed < _CASES
    assert await checked_tally(worlds) == Tally(refunds=_CASES, resets=_CASES, answers=_CASES)
