"""A network to Postgres that cuts a connection around one request, before or after its commit."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from runtime.embedded.ports import LOOPBACK

#: How every answer of Postgres ends, once the request and its commit are done.
_DONE = re.compile(rb"Z\x00\x00\x00\x05[ITE]\Z")


@dataclass
class Cut:
    """Cut the connection on which these come one after another: the request, or only its answer."""

    marks: Sequence[bytes]
    answer: bool
    made: bool = False
    #: How many of the marks each connection has shown.
    seen: dict[int, int] = field(default_factory=dict[int, int])

    def fits(self, connection: int, request: bytes) -> bool:
        place = self.seen.get(connection, 0)
        while place < len(self.marks) and re.search(self.marks[place], request, re.DOTALL):
            place += 1
        self.seen[connection] = place
        return place == len(self.marks)


class Relay:
    """Passes all on, but for the cuts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts: list[Cut] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            theirs, to_them = await asyncio.open_connection(LOOPBACK, self._port)
            line = _Line(self, reader, writer, theirs, to_them)
            await asyncio.gather(line.requests(), line.answers(), return_exceptions=True)

    def cut_for(self, connection: int, request: bytes) -> Cut | None:
        for cut in self.cuts:
            if not cut.made and cut.fits(connection, request):
                cut.made = True
                return cut
        return None


class _Line:
    """One connection through the relay."""

    def __init__(
        self,
        relay: Relay,
        from_us: asyncio.StreamReader,
        to_us: asyncio.StreamWriter,
        from_them: asyncio.StreamReader,
        to_them: asyncio.StreamWriter,
    ) -> None:
        self._relay = relay
        self._from_us, self._to_us = from_us, to_us
        self._from_them, self._to_them = from_them, to_them
        self._request = b""
        self._withheld: bytes | None = None

    async def requests(self) -> None:
        while data := await self._from_us.read(65536):
            self._request += data
            cut = self._relay.cut_for(id(self), self._request)
            if cut and not cut.answer:
                break
            if cut:
                self._withheld = b""
            self._to_them.write(data)
        self._cut()

    async def answers(self) -> None:
        while data := await self._from_them.read(65536):
            self._request = b""
            if self._withheld is None:
                self._to_us.write(data)
                continue
            self._withheld += data
            if _DONE.search(self._withheld):
                break
        self._cut()

    def _cut(self) -> None:
        for writer in (self._to_us, self._to_them):
            writer.transport.abort()


@asynccontextmanager
async def relayed(port: int) -> AsyncGenerator[tuple[Relay, int]]:
    """A relay to that port for the block, and its own port."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.connected, LOOPBACK, 0)
    try:
        yield relay, server.sockets[0].getsockname()[1]
    finally:
        server.close()
