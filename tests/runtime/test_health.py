"""What probes are told, over real sockets; the checks of real servers are those of the workers."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from cases.errors import InvalidInput
from runtime.health import FRESH_S, PATIENCE_S, Health, serving
from tests.ports import free_address
from tests.probes import ask

ALL_WELL = {
    "ready": True,
    "worker": "polling",
    "postgres": {"ok": True, "why": ""},
    "redis": {"ok": True, "why": ""},
}


class Server:
    """Something to be checked, and how often it was."""

    def __init__(self) -> None:
        self.checks = 0
        self.error: Exception | None = None
        self.hangs = False

    async def check(self) -> None:
        self.checks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error


class Probed:
    """A worker's health at an address, with one server that it needs and one that it does not."""

    def __init__(self) -> None:
        self.postgres, self.redis = Server(), Server()
        checks = {"postgres": self.postgres.check, "redis": self.redis.check}
        self.health = Health(checks, needed=("postgres",))
        self.health.worker = "polling"
        self.address = free_address()

    @asynccontextmanager
    async def serving(self) -> "AsyncGenerator[Probed]":
        async with serving(self.health, self.address):
            yield self


@pytest.fixture
async def probed() -> AsyncGenerator[Probed]:
    async with Probed().serving() as one:
        yield one


async def test_a_worker_is_ready_where_all_answers(probed: Probed) -> None:
    assert await ask(probed.address, "/readyz") == (200, ALL_WELL)
    assert await ask(probed.address, "/livez") == (200, {"alive": True})


async def test_a_server_that_nothing_needs_is_named_and_holds_nothing_up(probed: Probed) -> None:
    probed.redis.error = ConnectionRefusedError("at redis://user:canary@host")

    redis = {"ok": False, "why": "ConnectionRefusedError"}
    assert await ask(probed.address, "/readyz") == (200, {**ALL_WELL, "redis": redis})


async def test_without_a_server_that_is_needed_a_worker_is_alive_and_not_ready(
    probed: Probed,
) -> None:
    probed.postgres.error = asyncpg.CannotConnectNowError("starting up")

    status, body = await ask(probed.address, "/readyz")
    assert (status, body["ready"]) == (503, False)
    assert body["postgres"] == {"ok": False, "why": "CannotConnectNowError"}
    assert body["redis"]["ok"]
    assert (await ask(probed.address, "/livez"))[0] == 200


@pytest.mark.parametrize("worker", ["starting", "stopping"])
async def test_a_worker_that_takes_no_work_is_not_ready(worker: str, probed: Probed) -> None:
    probed.health.worker = worker

    assert await ask(probed.address, "/readyz") == (
        503,
        {**ALL_WELL, "ready": False, "worker": worker},
    )


async def test_a_server_that_hangs_keeps_no_probe_waiting(probed: Probed) -> None:
    probed.postgres.hangs = probed.redis.hangs = True
    began = time.monotonic()

    status, body = await ask(probed.address, "/readyz")

    assert status == 503
    assert body["postgres"]["why"] == body["redis"]["why"] == "no answer within 1 s"
    assert PATIENCE_S <= time.monotonic() - began < 2 * PATIENCE_S


async def test_many_probes_are_one_look(probed: Probed) -> None:
    answers = await asyncio.gather(*(ask(probed.address, "/readyz") for _ in range(15)))
    assert {status for status, _ in answers} == {200}
    assert probed.postgres.checks == 1

    await asyncio.sleep(FRESH_S)
    await ask(probed.address, "/readyz")
    assert probed.postgres.checks == 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /readyz/../metrics HTTP/1.1\r\n\r\n", 404),
        (b"POST /readyz HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"DELETE /livez HTTP/1.1\r\n\r\n", 405),
        (b"\xff\xfe\x00\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nX: " + b"x" * 5_000 + b"\r\n\r\n", 431),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else value,
)
async def test_what_is_no_probe_is_refused(request_: bytes, status: int, probed: Probed) -> None:
    assert (await ask(probed.address, request_))[0] == status
    assert (await ask(probed.address, "/livez"))[0] == 200


async def test_who_asks_nothing_is_not_waited_for(probed: Probed) -> None:
    host, _, port = probed.address.rpartition(":")
    silent = [await asyncio.open_connection(host, int(port)) for _ in range(30)]
    async with asyncio.timeout(10):
        assert [await reader.read() for reader, _ in silent] == [b""] * 30
    assert (await ask(probed.address, "/livez"))[0] == 200
    for _, writer in silent:
        writer.close()


async def test_nothing_listens_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    listening: list[object] = []

    async def listen(*arguments: object, **_: object) -> None:
        listening.append(arguments)

    monkeypatch.setattr(asyncio, "start_server", listen)
    async with serving(Health({}, ()), ""):
        assert listening == []


@pytest.mark.parametrize(
    "address", ["9465", ":9465", "127.0.0.1:", "127.0.0.1:99999", "nowhere.invalid:1"]
)
async def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(InvalidInput, match="CASEKEEPER_HEALTH_ADDRESS"):
        async with serving(Health({}, ()), address):
            raise AssertionError


async def test_an_address_that_is_taken_is_named(probed: Probed) -> None:
    with pytest.raises(InvalidInput, match="CASEKEEPER_HEALTH_ADDRESS"):
        async with serving(Health({}, ()), probed.address):
            raise AssertionError
