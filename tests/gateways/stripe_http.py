"""A small HTTP/1.1 server for what pretends to be somebody else's: real sockets, no library."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    #: Of the query or the form, flat as they came: `metadata[case_id]`.
    params: dict[str, str]
    #: By lower-case name.
    headers: dict[str, str]

    def nested(self, name: str) -> dict[str, str]:
        """The parameters `name[...]` by what stands in the brackets."""
        start = f"{name}["
        return {
            key[len(start) : -1]: value
            for key, value in self.params.items()
            if key.startswith(start) and key.endswith("]")
        }


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    #: One byte of the body every so many seconds.
    byte_every_s: float = 0


class Hangup(Exception):
    """The connection ends without an answer."""


Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def serve(answer: Answer) -> AsyncGenerator[str]:
    """Answer on a free port of this machine; yields the address."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _converse(reader, writer, answer)
        connections.discard(task)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    """Request after request on one connection."""
    while True:
        request = await _read(reader)
        try:
            response = await answer(request)
        except Hangup:
            return
        await _write(writer, response)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    text = parts.query if method == "GET" else body.decode()
    params = dict(parse_qsl(text, keep_blank_values=True))
    return Request(method, parts.path, params, headers)


async def _write(writer: asyncio.StreamWriter, response: Response) -> None:
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(response.body)),
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status} .", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    if not response.byte_every_s:
        writer.write(response.body)
    else:
        for byte in response.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(response.byte_every_s)
    await writer.drain()
