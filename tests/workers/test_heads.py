"""The exporter beside a worker: it signs while the worker runs, and never stands in its way."""

import asyncio
import logging
from pathlib import Path

import pytest

from runtime.embedded.stack import EmbeddedStack
from runtime.servers import Servers
from runtime.settings import Settings
from stores.heads import HeadsReader
from tests.stores.support import commit, opened, probe
from workers.composition import Stores
from workers.heads import export_heads, exporting, heads_files
from workers.main import run_worker


@pytest.fixture
def own(tmp_path: Path, servers: Servers) -> Settings:
    """Settings of a home without a stack, and a quick exporter."""
    return Settings(home=tmp_path, database_url=servers.database_url, audit_every_s=0.05)


def signed(settings: Settings, case_id: str) -> int:
    """Up to which row the case is signed."""
    files = heads_files(settings)
    reader = HeadsReader(files.heads, files.public_key)
    seqs = [head.seq for line in reader.lines() for head in line.heads if head.case_id == case_id]
    assert reader.findings == []
    return max(seqs, default=0)


async def until_signed(settings: Settings, case_id: str, seq: int) -> None:
    async with asyncio.timeout(20):
        while signed(settings, case_id) < seq:  # noqa: ASYNC110  the file is what is tested
            await asyncio.sleep(0.02)


async def test_heads_are_signed_while_the_worker_runs_and_once_at_its_stop(
    stores: Stores, own: Settings, case_id: str
) -> None:
    async with exporting(stores.audit, own):
        state = await opened(stores, case_id)
        await until_signed(own, case_id, 1)
        seldom = own.model_copy(update={"audit_every_s": 3600})
        async with exporting(stores.audit, seldom):
            await until_signed(own, case_id, 1)
    async with exporting(stores.audit, seldom):
        await asyncio.sleep(0.2)
        await commit(stores.cases, state, probe(1))

    assert signed(own, case_id) == 2


async def test_a_worker_signs_where_it_stops(
    servers: Servers, stores: Stores, own: Settings, case_id: str
) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    seldom = own.model_copy(update={"audit_every_s": 3600})
    running = asyncio.create_task(run_worker(servers, seldom, stop, ready))
    async with asyncio.timeout(60):
        await ready.wait()
        await opened(stores, case_id)
        stop.set()
        await running

    assert signed(own, case_id) == 1


async def test_where_nothing_changes_nothing_is_written(
    stores: Stores, own: Settings, case_id: str
) -> None:
    await opened(stores, case_id)
    files = heads_files(own)
    await export_heads(stores.audit, files)
    before = files.heads.read_bytes()
    async with exporting(stores.audit, own):
        await asyncio.sleep(0.3)

    assert files.heads.read_bytes() == before


async def test_a_problem_is_one_warning_and_is_tried_again(
    stores: Stores, own: Settings, case_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = own.home / "audit"
    in_the_way.write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING, logger="workers.heads"):
        async with exporting(stores.audit, own):
            await opened(stores, case_id)
            await asyncio.sleep(0.5)
            in_the_way.unlink()
            await until_signed(own, case_id, 1)

    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ["heads were not signed; it is tried again"]
    assert "Error" in vars(caplog.records[0])["problem"]


async def test_a_worker_ends_though_its_heads_cannot_be_signed(
    stores: Stores, own: Settings
) -> None:
    (own.home / "audit").write_text("a file, not a folder")
    with pytest.raises(LookupError, match="of the block"):
        async with exporting(stores.audit, own):
            raise LookupError("of the block")


def test_the_files_lie_in_the_home_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    files = heads_files(Settings(home=tmp_path))
    assert files.heads == tmp_path / "audit" / "heads.jsonl"
    assert files.signing_key == tmp_path / "audit" / "signing-key.pem"
    assert files.public_key == tmp_path / "audit" / "public-key.pem"

    named = Settings(home=tmp_path, audit_heads=Path("h"), audit_key=Path("k/key"))
    files = heads_files(named)
    assert (files.heads, files.signing_key) == (Path("h"), Path("k/key"))
    assert files.public_key == Path("k/public-key.pem")


def test_a_demo_of_its_own_signs_in_its_own_home(
    stack: EmbeddedStack, home: Path, tmp_path: Path
) -> None:
    """Its database is another one each time: its heads would accuse the usual one."""
    assert stack.home == home
    (tmp_path / "demo").symlink_to(home)
    settings = Settings(home=tmp_path)
    assert heads_files(settings).heads == tmp_path / "demo" / "audit" / "heads.jsonl"

    elsewhere = settings.model_copy(update={"database_url": "postgresql://x/y"})
    assert heads_files(elsewhere).heads == tmp_path / "audit" / "heads.jsonl"
