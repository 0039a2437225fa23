"""A language model, pretended: OpenAI's chat completions over real sockets, with every fault."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

#: Fits `gateways.llm.schema` where the topics are billing and account.
GOOD: Json = {
    "needs": ["billing"],
    "reason": "duplicate",
    "language": "en",
    "urgency": "normal",
    "suspected_injection": False,
    "confidence": 90,
}


@dataclass(frozen=True)
class Request:
    path: str
    #: By lower-case name.
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        body: Json = json.loads(self.raw)
        return body

    @property
    def asked(self) -> Any:
        """What the model is given besides its instructions."""
        users = [m["content"] for m in self.body["messages"] if m["role"] == "user"]
        return json.loads(users[0])


#: Answers one request, well or badly.
Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class Hangup(Exception):
    """The connection ends here."""


@dataclass
class ModelServer:
    """Behaves as its script says, request after request; where that has ended, well."""

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    script: list[Behaviour] = field(default_factory=list[Behaviour])
    #: How it behaves where the script has ended.
    otherwise: Behaviour | None = None
    #: Connections that are open now.
    connections: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])

    @classmethod
    @asynccontextmanager
    async def run(cls) -> "AsyncGenerator[ModelServer]":
        """Listen on a free port of this machine."""
        model = cls()
        server = await asyncio.start_server(model._connected, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        model.url = f"http://127.0.0.1:{port}/v1"
        try:
            yield model
        finally:
            server.close()
            for task in model.connections:
                task.cancel()
            await asyncio.gather(*model.connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, Hangup):
                while True:
                    request = await _read(reader)
                    self.requests.append(request)
                    behave = self.script.pop(0) if self.script else self.otherwise or says(GOOD)
                    await behave(request, writer)
                    await writer.drain()
        except asyncio.CancelledError:
            pass
        finally:
            self.connections.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(head[0].split(" ")[1], headers, body)


def completion(content: Any, *, finish: str = "stop", **message: Any) -> Json:
    """OpenAI's form of an answer with that content."""
    said = {"role": "assistant", "content": content, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 30, "total_tokens": 230},
    }


def says(content: Any, **more: Any) -> Behaviour:
    """Answer with that content: a text, or what becomes one as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    return answers(completion(text, **more))


def answers(
    body: bytes | Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> Behaviour:
    """Answer with that body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, {"Content-Length": str(len(raw)), **(headers or {})}) + raw)

    return behave


def fails(status: int, headers: Mapping[str, str] | None = None, **error: str) -> Behaviour:
    """Answer with an error, in OpenAI's form."""
    return answers({"error": {"message": "No.", **error}}, status, headers)


async def hangs(_: Request, writer: asyncio.StreamWriter) -> None:
    """Say nothing, and keep the connection open."""
    await writer.drain()
    await asyncio.sleep(3600)


async def breaks_off(_: Request, writer: asyncio.StreamWriter) -> None:
    """Close the connection in the midst of the answer."""
    writer.write(_head(200, {"Content-Length": "1000"}) + b"{")
    await writer.drain()
    raise Hangup


async def drips(_: Request, writer: asyncio.StreamWriter) -> None:
    """Send a good answer so slowly that no time-out between two bytes notices."""
    raw = json.dumps(completion(json.dumps(GOOD))).encode()
    writer.write(_head(200, {"Content-Length": str(len(raw))}))
    for byte in raw:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


async def never_ends(_: Request, writer: asyncio.StreamWriter) -> None:
    """Send chunk after chunk, as fast as they are taken."""
    writer.write(_head(200, {"Transfer-Encoding": "chunked"}))
    while not writer.is_closing():
        writer.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
    raise Hangup


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    fields = {"Content-Type": "application/json", **headers}
    lines = [f"HTTP/1.1 {status} .", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
