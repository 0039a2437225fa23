"""The worker processes of a run of chaos."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.e2e.shell import ROOT, environment

_WORKERS = 2


class Workers:
    """Worker processes, each of which is started again when it has ended."""

    def __init__(self, home: Path) -> None:
        self.calls = home / "calls"
        self.calls.touch()
        self._home = home
        self._running: list[subprocess.Popen[bytes]] = []

    def calls_made(self) -> int:
        return self.calls.stat().st_size

    def kill_oldest(self) -> None:
        for one in self._running[:1]:
            one.kill()

    async def keep(self) -> None:
        """Keep so many running until it is cancelled."""
        try:
            while True:
                ended = [one for one in self._running if one.poll() is not None]
                self._running = [one for one in self._running if one not in ended]
                while len(self._running) < _WORKERS:
                    self._running.append(self._start())
                await asyncio.sleep(0.3)
        finally:
            for one in self._running:
                one.kill()
                one.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.faults.chaos.worker", str(self.calls)]
        given = environment({"CASEKEEPER_HOME": str(self._home)})
        with (self._home / "workers.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log)
