"""`casekeeper worker` in a process of its own, on the session's servers."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.shell import PROGRAMS, ROOT, environment
from tests.ports import free_address

_PATIENCE_S = 60.0


class WorkerProcess:
    """What a supervisor sees of a worker."""

    def __init__(self, process: Process, health: str, metrics: str) -> None:
        self._process = process
        self.health = health
        self.metrics = metrics
        self.log: list[str] = []

    async def until_it_logs(self, words: str) -> None:
        assert self._process.stderr
        async with asyncio.timeout(_PATIENCE_S):
            while not any(words in line for line in self.log):
                line = await self._process.stderr.readline()
                assert line, self.log
                self.log.append(line.decode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def code(self, within: float = _PATIENCE_S) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(within):
            _, rest = await self._process.communicate()
        self.log += rest.decode().splitlines()
        assert self._process.returncode is not None
        return self._process.returncode

    async def runs_on(self) -> bool:
        """Whether it is still there after a while."""
        await asyncio.sleep(1)
        return self._process.returncode is None


@asynccontextmanager
async def worker_process(home: Path, **variables: str) -> AsyncGenerator[WorkerProcess]:
    """Run it for the block; it polls when the block begins."""
    health, metrics = free_address(), free_address()
    given = {
        "CASEKEEPER_HOME": str(home),
        "CASEKEEPER_HEALTH_ADDRESS": health,
        "CASEKEEPER_METRICS_ADDRESS": metrics,
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAMS / "casekeeper", "worker",
        stdout=PIPE, stderr=PIPE, cwd=ROOT, env=environment(given),
    )  # fmt: skip
    try:
        worker = WorkerProcess(process, health, metrics)
        await worker.until_it_logs("worker is polling")
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
