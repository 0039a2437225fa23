"""Ports on the loopback interface: free ones, and the same as last time where that is possible."""

import json
import random
import socket
from pathlib import Path

from runtime.embedded.home import write_private_json

LOOPBACK = "127.0.0.1"
# Below the ranges from which systems take the ports of outgoing connections (Linux 32768, macOS
# 49152): such a connection could otherwise sit on a remembered port.
_RANGE = range(20_000, 32_000)


class Ports:
    """The ports of one home by name, remembered in a file."""

    def __init__(self, path: Path) -> None:
        """Read what the last start remembered in ``path``, if anything."""
        self._path = path
        self._by_name = _read(path)

    def take(self, name: str) -> int:
        """Return the port of ``name``: last time's when it is free, else a new one."""
        port = self._by_name.get(name)
        if port is None or not _is_free(port):
            port = self._find()
            self._by_name[name] = port
            write_private_json(self._path, self._by_name)
        return port

    def _find(self) -> int:
        taken = set(self._by_name.values())
        candidates = random.SystemRandom().sample(_RANGE, len(_RANGE))
        return next(port for port in candidates if port not in taken and _is_free(port))


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}  # a damaged file costs the old ports, never the start


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do, or connections of the last run in TIME_WAIT would cost us its ports.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
