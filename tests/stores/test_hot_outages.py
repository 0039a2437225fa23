"""A Valkey that is away, stopped or frozen: the case goes on without it, within the deadline."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.ids import MAIN
from cases.state import CaseState
from stores.hot import RedisHotStore
from stores.redis import DEADLINE_S, connect_redis
from tests.stores.own_valkey import OwnValkey, own_valkey
from tests.stores.support import ProbeSection, opened, probe, tell
from workers.composition import Stores


@pytest.fixture
def valkey(tmp_path: Path) -> Generator[OwnValkey]:
    with own_valkey(tmp_path) as server:
        yield server


@pytest.fixture
async def hot(valkey: OwnValkey) -> AsyncGenerator[RedisHotStore]:
    client = connect_redis(valkey.url)
    yield RedisHotStore(client)
    await client.aclose()


async def _each_call_is_bounded(hot: RedisHotStore, state: CaseState) -> None:
    where = (state.case_id, MAIN)
    for call, nothing in (
        (hot.read(*where), None),
        (hot.merge(*where, [(probe(1), 2)]), False),
        (hot.write(state, fence=1), False),
        (hot.read_section(*where, ProbeSection), None),
        (hot.latest_checkpoint(*where), None),
        (hot.drop(*where), None),
    ):
        started = time.monotonic()
        assert await call is nothing
        assert time.monotonic() - started < DEADLINE_S + 0.4


@pytest.mark.parametrize("connected", [True, False])
async def test_a_frozen_server_is_given_up_within_the_deadline(
    valkey: OwnValkey,
    hot: RedisHotStore,
    state: CaseState,
    caplog: pytest.LogCaptureFixture,
    connected: bool,
) -> None:
    if connected:
        await hot.write(state)
    valkey.signal(signal.SIGSTOP)
    try:
        with caplog.at_level(logging.DEBUG, logger="stores"):
            await _each_call_is_bounded(hot, state)
    finally:
        valkey.signal(signal.SIGCONT)

    warnings = [record for record in caplog.records if record.name == "stores.hot"]
    assert [record.levelname for record in warnings] == ["WARNING"] * 6
    for private in (state.customer_id, "charged", "content"):
        assert private not in caplog.text


async def test_a_server_that_answers_slowly_each_time_is_given_up_within_the_deadline(
    valkey: OwnValkey, state: CaseState
) -> None:
    """Connecting takes several exchanges: each is in time, and all of them are not."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_us = await asyncio.open_connection("127.0.0.1", valkey.port)
        while chunk := await reader.read(65_536):
            from_us.write(chunk)
            await asyncio.sleep(DEADLINE_S * 0.7)
            writer.write(await to_server.read(65_536))
        from_us.close()
        writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as slow:
        client = connect_redis(f"redis://127.0.0.1:{slow.sockets[0].getsockname()[1]}/0")
        try:
            await _each_call_is_bounded(RedisHotStore(client), state)
        finally:
            await client.aclose()


async def test_after_a_freeze_every_answer_belongs_to_its_question(
    valkey: OwnValkey, hot: RedisHotStore, state: CaseState
) -> None:
    """A late answer must not be taken for the answer of the next command."""
    others = [state.model_copy(update={"case_id": f"{state.case_id}-{n}"}) for n in range(4)]
    for one in others:
        await hot.write(one)
    valkey.signal(signal.SIGSTOP)
    try:
        frozen = await asyncio.gather(*(hot.read(one.case_id, MAIN) for one in others))
    finally:
        valkey.signal(signal.SIGCONT)

    assert frozen == [None] * 4
    for _ in range(3):
        reads = await asyncio.gather(*(hot.read(one.case_id, MAIN) for one in others))
        assert reads == others


async def test_a_stopped_server_is_given_up_and_found_again(
    valkey: OwnValkey, hot: RedisHotStore, state: CaseState
) -> None:
    await hot.write(state)
    valkey.stop()
    await _each_call_is_bounded(hot, state)

    valkey.start()
    assert await hot.read(state.case_id, MAIN) is None  # it kept nothing
    await hot.write(state)
    assert await hot.read(state.case_id, MAIN) == state


async def test_a_full_server_still_answers_reads(
    valkey: OwnValkey, hot: RedisHotStore, state: CaseState, caplog: pytest.LogCaptureFixture
) -> None:
    await hot.write(state)
    client = connect_redis(valkey.url)
    await tell(client, "CONFIG SET", "maxmemory", 1)
    await client.aclose()

    assert not await hot.merge(state.case_id, MAIN, [(probe(1), 2)])
    assert not await hot.write(state.model_copy(update={"case_id": f"{state.case_id}-2"}))

    assert await hot.read(state.case_id, MAIN) == state
    assert caplog.text.count("hot store is not available: OutOfMemoryError") == 2


async def test_a_server_that_is_not_ready_counts_as_away(
    valkey: OwnValkey, hot: RedisHotStore, state: CaseState
) -> None:
    client = connect_redis(valkey.url)
    await tell(client, "REPLICAOF", "127.0.0.1", valkey.port + 1)
    await client.aclose()

    assert not await hot.write(state)  # READONLY

    assert await hot.read(state.case_id, MAIN) is None


async def test_a_case_goes_on_without_the_hot_store_and_is_whole_when_it_is_back(
    valkey: OwnValkey, hot: RedisHotStore, stores: Stores, case_id: str
) -> None:
    record = CaseRecord(stores.cases, hot)
    state = await opened(stores, case_id)
    ref = CaseRef(case_id=case_id, customer_id=state.customer_id)
    assert await record.load(ref) == state
    valkey.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):
            report = await record.commit(state, [probe(1)])
            assert [one.version for one in report.done] == [2]
            assert (await record.load(ref)).version == 2
    finally:
        valkey.signal(signal.SIGCONT)

    current = await record.load(ref.model_copy(update={"at_least": 2}))
    assert current == await stores.cases.load(case_id, MAIN)
    assert await hot.read(case_id, MAIN) == current
