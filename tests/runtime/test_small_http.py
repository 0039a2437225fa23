"""The reader of HTTP on a real socket: what never reaches the page, and who is not answered."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from http import HTTPStatus

import pytest

from runtime.small_http import Request, Response, serve
from tests.probes import ask

_PATIENCE_S = 0.5


class Page:
    """Answers with what it was asked, once it may."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.arrived = asyncio.Semaphore(0)
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        self.arrived.release()
        await self.may_answer.wait()
        return Response(HTTPStatus.OK, request.body, "text/plain")


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
async def address(page: Page) -> AsyncGenerator[str]:
    limits = {"body_limit": 1000, "head_limit": 6000, "at_once": 3}
    async with await serve(page.answer, "127.0.0.1", 0, patience_s=_PATIENCE_S, **limits) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_request_reaches_the_page_whole(address: str, page: Page) -> None:
    sent = b"POST /page?x=1 HTTP/1.1\r\nX-Name:  value \r\nContent-Length: 4\r\n\r\nbody"

    assert await ask(address, sent) == (200, "body")
    wanted = {"x-name": "value", "content-length": "4"}
    assert page.asked == [Request("POST", "/page", wanted, b"body")]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET /" + b"x" * 7000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 408),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else value,
)
async def test_what_is_no_small_whole_request_is_refused(
    address: str, page: Page, sent: bytes, status: int
) -> None:
    assert await ask(address, sent) == (status, {"error": HTTPStatus(status).phrase})
    assert page.asked == []


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
async def test_who_sends_no_whole_head_in_time_is_not_answered(address: str, sent: bytes) -> None:
    reader, writer = await connected(address, sent)
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()


async def test_only_so_many_are_served_at_once(address: str, page: Page) -> None:
    page.may_answer.clear()
    served = [await connected(address, b"GET / HTTP/1.1\r\n\r\n") for _ in range(3)]
    async with asyncio.timeout(20):
        for _ in served:
            await page.arrived.acquire()
        late, writer = await connected(address, b"")
        assert await late.read() == b""

        page.may_answer.set()
        answers = [await reader.read() for reader, _ in served]
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        assert (await ask(address, "/"))[0] == 200
    for one in (writer, *(writer for _, writer in served)):
        one.close()


async def test_a_page_that_fails_is_answered_for_without_its_words() -> None:
    async def fail(_: Request) -> Response:
        raise LookupError("canary")

    async with await serve(fail, "127.0.0.1", 0, body_limit=0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await connected(f"127.0.0.1:{port}", b"GET / HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"canary" not in answer


async def test_a_connection_that_is_open_as_the_loop_ends_is_no_error(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    page.may_answer.clear()
    client = socket.socket()

    async def end_while_it_asks() -> None:
        server = await serve(page.answer, "127.0.0.1", 0, body_limit=0)
        client.connect(server.sockets[0].getsockname())
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        await page.arrived.acquire()
        server.close()

    with client:
        await asyncio.to_thread(asyncio.run, end_while_it_asks())
    assert page.asked
    assert caplog.records == []


async def connected(address: str, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which that was sent, and nothing more will be."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    return reader, writer
