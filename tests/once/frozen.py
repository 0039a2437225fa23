"""The process of `held_worker`, as tests see it: to be killed, frozen and woken."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.shell import ROOT, environment

_PATIENCE_S = 90


class HeldProcess:
    """A worker whose effects stand still where they were told to."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def until_it_says(self, *lines: str) -> None:
        """Wait for all these lines, in any order."""
        assert self._process.stdout
        missing = set(lines)
        async with asyncio.timeout(_PATIENCE_S):
            while missing:
                line = await self._process.stdout.readline()
                assert line, f"it has ended without saying {missing}"
                missing.discard(line.decode().strip())

    async def until_held(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        await self.until_it_says(*(f"held {case_id}" for case_id in wanted))

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    async def go(self) -> None:
        """Let all go that stands still."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert await self._process.wait() == -signal.SIGKILL


@asynccontextmanager
async def held_process(
    home: Path, wanted: Mapping[str, tuple[str, str]], *options: str
) -> AsyncGenerator[HeldProcess]:
    """Run it for the block; it polls when the block begins."""
    where = [f"{case_id}={kind}:{moment}" for case_id, (kind, moment) in wanted.items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.once.held_worker", *options, *where,
        stdin=PIPE, stdout=PIPE, cwd=ROOT, env=environment({"CASEKEEPER_HOME": str(home)}),
    )  # fmt: skip
    try:
        worker = HeldProcess(process)
        await worker.until_it_says("polling")
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
