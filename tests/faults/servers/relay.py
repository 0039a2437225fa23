"""A network between a client and a server of ours, and what can go wrong with it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Protocol

from runtime.embedded.ports import LOOPBACK


class Loss(Enum):
    """What of a request is lost, together with its connection."""

    NOTHING = auto()
    #: It never arrives.
    REQUEST = auto()
    #: It is carried out, and nobody hears of it.
    ANSWER = auto()


class Losses(Protocol):
    """Decides what is lost; it sees all that passes."""

    def of_request(self, connection: int, data: bytes) -> Loss: ...

    def is_answered(self, connection: int, data: bytes) -> bool:
        """Whether this ends the answer to what was asked for last."""
        ...


class Relay:
    """Passes on what comes to its own port; the faults befall every connection through it."""

    def __init__(self, target: int, losses: Losses | None = None, host: str = LOOPBACK) -> None:
        #: The server's port. Another one stands for an address that has moved.
        self.target = target
        #: How long everything takes on its way, each way, in seconds.
        self.delay_s = 0.0
        self.port = 0
        self.losses = losses
        self._host = host
        self._deaf = False
        self._server: asyncio.Server | None = None
        self._lines: set[_Line] = set()

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._connected, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections and reset those that there are, until it listens again."""
        if self._server:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset the connections that there are."""
        for line in self._lines.copy():
            line.abort()

    def go_deaf(self) -> None:
        """Accept everything and pass nothing on: all these connections stay half open."""
        self._deaf = True
        for line in self._lines:
            line.deaf = True

    def hear(self) -> None:
        """Pass new connections on again; those that went deaf stay so."""
        self._deaf = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, to_them = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, (reader, writer), (theirs, to_them))
        line.deaf = self._deaf
        self._lines.add(line)
        try:
            await line.run()
        finally:
            self._lines.discard(line)


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection through the relay."""

    def __init__(self, relay: Relay, us: _End, them: _End) -> None:
        self.deaf = False
        self._relay = relay
        self._us, self._them = us, them
        self._withheld = False

    def abort(self) -> None:
        """Reset both ends."""
        for _, writer in (self._us, self._them):
            writer.transport.abort()

    async def run(self) -> None:
        with suppress(OSError):
            await asyncio.gather(self._requests(), self._answers())
        self.abort()

    async def _requests(self) -> None:
        async for data in self._arriving(self._us):
            losses = self._relay.losses
            loss = losses.of_request(id(self), data) if losses else Loss.NOTHING
            if loss is Loss.REQUEST:
                break
            self._withheld = self._withheld or loss is Loss.ANSWER
            self._them[1].write(data)
        self.abort()

    async def _answers(self) -> None:
        async for data in self._arriving(self._them):
            losses = self._relay.losses
            answered = losses is not None and losses.is_answered(id(self), data)
            if not self._withheld:
                self._us[1].write(data)
            elif answered:
                break
        self.abort()

    async def _arriving(self, end: _End) -> AsyncGenerator[bytes]:
        while data := await end[0].read(65536):
            if self._relay.delay_s:
                await asyncio.sleep(self._relay.delay_s)
            if not self.deaf:
                yield data


@asynccontextmanager
async def relayed(
    target: int, losses: Losses | None = None, host: str = LOOPBACK
) -> AsyncGenerator[Relay]:
    """A relay to that port for the block, which may do to it what it likes."""
    relay = Relay(target, losses, host)
    await relay.listen()
    try:
        yield relay
    finally:
        relay.refuse()
