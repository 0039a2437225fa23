"""HTTP for a page or two on asyncio: one request a connection, small, whole and in time."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

_log = logging.getLogger(__name__)

#: Nobody is there to answer, or the loop ends: asyncio would log a connection's end by cancelling.
_GONE = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError)


@dataclass(frozen=True)
class Request:
    """`path` is without its query; the names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    status: HTTPStatus
    body: bytes = b""
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        fields = (
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
            *self.headers,
        )
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in fields]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class _Limits:
    body: int
    patience_s: float
    free: asyncio.Semaphore


class _Refused(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    body_limit: int,
    head_limit: int = 16 * 1024,
    patience_s: float = 10.0,
    at_once: int = 100,
) -> asyncio.Server:
    """Listen; what is not a whole, small request in time never reaches the handler.

    Limits are in bytes, and `patience_s` in seconds. Who sends no whole head in time, or comes when
    `at_once` connections are open, is not answered at all. Raises OSError.
    """
    limits = _Limits(body_limit, patience_s, asyncio.Semaphore(at_once))
    connected = partial(_connected, handler, limits)
    return await asyncio.start_server(connected, host, port, limit=head_limit)


def refusal(status: HTTPStatus) -> Response:
    """An answer in JSON that says no more than its status."""
    return Response(status, json.dumps({"error": status.phrase}).encode())


async def _connected(
    handler: Handler,
    limits: _Limits,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        if limits.free.locked():
            return
        async with limits.free:
            with suppress(*_GONE):
                response = await _response(handler, limits, reader)
                async with asyncio.timeout(limits.patience_s):
                    writer.write(response.to_bytes())
                    await writer.drain()
    finally:
        writer.close()


async def _response(handler: Handler, limits: _Limits, reader: asyncio.StreamReader) -> Response:
    try:
        request = await _read(reader, limits)
    except _Refused as refused:
        return refusal(refused.status)
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  its text may hold what was asked
        _log.error("a request failed", extra={"problem": type(error).__name__})
        return Response(HTTPStatus.INTERNAL_SERVER_ERROR)


async def _read(reader: asyncio.StreamReader, limits: _Limits) -> Request:
    """Raises _Refused, and TimeoutError where not even the head came."""
    deadline = asyncio.get_running_loop().time() + limits.patience_s
    try:
        async with asyncio.timeout_at(deadline):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:  # noqa: PLR2004  method, target, version
        raise _Refused(HTTPStatus.BAD_REQUEST)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = _length(headers, limits.body)
    try:
        async with asyncio.timeout_at(deadline):
            body = await reader.readexactly(length)
    except TimeoutError:
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT) from None
    return Request(words[0], words[1].partition("?")[0], headers, body)


def _length(headers: Mapping[str, str], limit: int) -> int:
    if "transfer-encoding" in headers:
        raise _Refused(HTTPStatus.LENGTH_REQUIRED)
    given = headers.get("content-length", "0")
    if not (given.isascii() and given.isdigit()):
        raise _Refused(HTTPStatus.BAD_REQUEST)
    if len(given) > len(str(limit)) or int(given) > limit:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(given)
