"""The embedded stack: real Temporal, Postgres and Valkey servers that live as long as we do."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.embedded.home import Home
from runtime.embedded.lines import Lines

# The guard itself gives up earlier; these only bound the wait for one that hangs.
_START_SECONDS = 240.0
_STOP_SECONDS = 20.0
_TAIL_LINES = 15

ServerName = Literal["temporal", "postgres", "valkey"]


class StackAlreadyRunning(Exception):
    """Another process runs a stack in this home."""

    def __init__(self, home: Path, addresses: "Addresses | None") -> None:
        """Name the home, and the page of the stack that has it where that is known."""
        where = f" (its Web UI: {addresses.web_url})" if addresses else ""
        super().__init__(
            f"An embedded stack already runs in {home}{where}: stop it, or choose another home."
        )


class StackFailed(Exception):
    """A server did not start, or ended by itself."""

    def __init__(self, server: str, reason: str, log: Path) -> None:
        """Say which server, what happened, and show the end of its log."""
        super().__init__(_failure(server, reason, log))
        self.server = server
        self.log = log


class StackDied(Exception):
    """A server of a running stack has ended by itself; the sentence says which and why."""


class Addresses(BaseModel):
    """Where the servers of a running stack are reached; a database URL holds its password."""

    model_config = ConfigDict(frozen=True)

    temporal_address: str
    database_url: str
    #: As the role that owns the tables; empty in the note of a stack that older code has started.
    owner_database_url: str = ""
    redis_url: str
    web_url: str


class _Event(BaseModel):
    event: Literal["progress", "ready", "busy", "failed", "died", "restarted"]
    server: str = ""
    text: str = ""
    pids: dict[str, int] = {}
    addresses: Addresses | None = None


class EmbeddedStack:
    """The three servers, owned by a guard process that ends them when this process ends.

    All methods block; they may be called from any thread.
    """

    addresses: Addresses
    server_pids: dict[str, int]
    home: Path

    def __init__(self, home: Home, guard: subprocess.Popen[bytes]) -> None:
        """Use ``start`` instead; this takes over a ``guard`` that was just launched."""
        self.home = home.root
        self._home = home
        self._guard = guard
        self._orders = cast(IO[bytes], guard.stdin)
        self._output = cast(IO[bytes], guard.stdout)
        self._events = Lines(self._output.fileno())
        self._failures: dict[str, str] = {}
        self._reading = threading.Lock()

    @classmethod
    def start(
        cls,
        home: Path,
        *,
        search_attributes: Mapping[str, str],
        temporal_args: Sequence[str] = (),
        temporal_in_memory: bool = False,
        report: Callable[[str], None] | None = None,
    ) -> Self:
        """Start the servers with their data under ``home``, and return when each answers.

        ``search_attributes`` maps names to Temporal types (Keyword, Bool, ...); ``temporal_args``
        are further flags of ``temporal server start-dev``; ``report`` hears of the progress.
        Raises StackAlreadyRunning after 5 s in which another stack keeps this home, and
        StackFailed when a server does not start.
        """
        place = Home(home.resolve())
        place.create()
        orders = {
            "home": str(place.root),
            "parent": os.getpid(),
            "search_attributes": dict(search_attributes),
            "extra": list(temporal_args),
            "in_memory": temporal_in_memory,
        }
        stack = cls(place, _launch_guard(place, json.dumps(orders)))
        try:
            with stack._reading:
                stack._await("ready", report or _ignore)
        except BaseException:
            stack.stop()
            raise
        return stack

    def failed(self) -> str | None:
        """Say what has ended by itself, with the end of its log, or None. Never waits."""
        if self._reading.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._reading.release()
        return "\n".join(self._failures.values()) or None

    def restart(self, server: ServerName) -> None:
        """End ``server`` if it runs, and start it again.

        It keeps its port. Raises StackFailed, and all servers end, when it does not come back.
        """
        with self._reading:
            self._drain()
            self._failures.pop(server, None)
            self._order(f"restart {server}")
            self._await("restarted", _ignore)

    def stop(self) -> None:
        """End the servers and wait until they are gone, a few seconds at most. Safe to repeat."""
        if self._orders.closed:
            return
        self._order("stop")
        with suppress(BrokenPipeError):
            self._orders.close()
        try:
            self._guard.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        with self._reading:
            self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _order(self, order: str) -> None:
        # A forked process may hold the pipe open too, so closing it is not always heard.
        with suppress(BrokenPipeError):
            self._orders.write(order.encode() + b"\n")
            self._orders.flush()

    def _await(self, wanted: str, report: Callable[[str], None]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while line := self._events.read(deadline - time.monotonic()):
            event = _Event.model_validate_json(line)
            if event.event == "busy":
                raise StackAlreadyRunning(self.home, find_running(self.home))
            if event.event == "failed":
                raise StackFailed(event.server, event.text, self._home.log(event.server))
            if event.event == "progress":
                report(event.text)
            if event.event == wanted and event.addresses:
                self.addresses, self.server_pids = event.addresses, event.pids
                return
        reason = "it ended" if self._events.ended else "it did not answer"
        raise StackFailed("guard", reason, self._home.log("guard"))

    def _drain(self) -> None:
        if self._orders.closed:
            return
        while line := self._events.read(0):
            event = _Event.model_validate_json(line)
            if event.event == "died":
                self._note_failure(event.server, event.text)
        if self._events.ended:
            self._note_failure("guard", "it ended")

    def _note_failure(self, server: str, reason: str) -> None:
        self._failures[server] = _failure(server, reason, self._home.log(server))


def find_running(home: Path) -> Addresses | None:
    """Return the addresses of the stack that runs in ``home`` now, or None."""
    place = Home(home.resolve())
    if not place.is_locked():
        return None  # whatever the note says, its stack is gone
    try:
        return Addresses.model_validate_json(place.note.read_text())
    except (FileNotFoundError, ValidationError):
        return None  # it is starting or stopping


def _launch_guard(home: Home, orders: str) -> subprocess.Popen[bytes]:
    with home.log("guard").open("ab") as log:
        return subprocess.Popen(
            (sys.executable, "-m", "runtime.embedded.guard", orders),
            cwd=Path(__file__).parents[2],  # where -m finds the package, installed or not
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # or Ctrl-C would reach it before the parent is done
        )


def _failure(server: str, reason: str, log: Path) -> str:
    sentence = f"The embedded {server} failed: {reason}. Its log is {log}"
    try:
        with log.open(errors="replace") as file:
            tail = "".join(deque(file, maxlen=_TAIL_LINES)).rstrip()
    except FileNotFoundError:
        tail = ""
    return f"{sentence}, which ends with:\n{tail}" if tail else f"{sentence}."


def _ignore(_text: str) -> None:
    pass
