"""The guard: a small process which owns the servers, so that they end when their parent does.

It is started by ``runtime.embedded.stack`` with its orders as JSON. It reads further orders from
its input, one a line, and takes the end of that input as the death of its parent. It writes what
happens to its output, one JSON object a line. Only the standard library, to start quickly.

If the guard is killed, Linux ends its servers; elsewhere they stay, and keep the home locked.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from runtime.embedded import installation, postgres, temporal, valkey
from runtime.embedded.home import Home, write_private_json
from runtime.embedded.lines import Lines
from runtime.embedded.ports import Ports
from runtime.embedded.server import Child, Server, ServerFailed, launch

LOCK_PATIENCE_SECONDS = 5.0
_READY_SECONDS = 60.0
_STOP_SECONDS = 6.0
_LAUNCHES = 5
_TITLES = {postgres.NAME: "Postgres", temporal.NAME: "Temporal", valkey.NAME: "Valkey"}
_signals: list[int] = []  # filled by the handler, looked at between two steps


class Stopped(Exception):
    """The parent, or a signal, wants everything to end."""


class Guard:
    """Starts the servers of one home, watches them, and stops them."""

    def __init__(self, home: Home, lock: int, options: temporal.Options, parent: int) -> None:
        """Take over a locked ``home``; ``parent`` is the process whose end is ours."""
        ports = Ports(home.ports)
        self._home = home
        self._lock = lock
        self._parent = parent
        self._orders = Lines(sys.stdin.fileno())
        self._postgres = postgres.Postgres(home, lock)
        self._describe: dict[str, Callable[[], Server]] = {
            temporal.NAME: lambda: temporal.server(home, ports, options, lock),
            valkey.NAME: lambda: valkey.server(home, ports),
            postgres.NAME: lambda: self._postgres.server(ports),
        }
        self._servers: dict[str, Server] = {}
        self._children: dict[str, Child] = {}

    def start(self) -> None:
        """Start all servers and wait until each answers; raises ServerFailed or Stopped."""
        self._launch(temporal.NAME)
        self._launch(valkey.NAME)
        self._postgres.prepare(lambda text: say("progress", text=text))
        self._launch(postgres.NAME)
        self._await(self._describe)
        self._publish()
        say("ready", pids=self._pids(), addresses=self._addresses())

    def watch(self) -> None:
        """Serve orders and tell of servers that end, until told to stop (Stopped)."""
        told: set[Child] = set()
        while True:
            order = self._next_order(patience=0.2)
            if order is not None:
                self._restart(order.removeprefix("restart "))
            for name, child in self._children.items():
                if child.poll() is not None and child not in told:
                    told.add(child)
                    say("died", server=name, text=_ending(child.returncode))

    def stop(self) -> None:
        """End all servers: politely, and after six seconds by force."""
        self._home.note.unlink(missing_ok=True)
        for name in (temporal.NAME, valkey.NAME, postgres.NAME):
            if name in self._children:
                self._signal(name)
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._children.values():
            _reap(child, deadline)
        installation.discard_copy(self._home)

    def _launch(self, name: str) -> None:
        self._servers[name] = self._describe[name]()
        self._children[name] = launch(self._servers[name].program, lock=self._lock)

    def _await(self, names: Iterable[str]) -> None:
        waiting = list(names)
        launches = dict.fromkeys(waiting, 1)
        deadline = time.monotonic() + _READY_SECONDS
        while waiting:
            for name in waiting.copy():
                if self._children[name].poll() is not None:
                    launches[name] += 1
                    self._launch_again(name, launches[name])
                elif self._servers[name].answers():
                    self._servers[name].once_ready()
                    waiting.remove(name)
                    say("progress", text=f"{_TITLES[name]} is ready")
            if waiting and time.monotonic() > deadline:
                raise ServerFailed(waiting[0], f"it did not answer within {_READY_SECONDS:.0f} s")
            if waiting:
                self._next_order(patience=0.03)

    def _launch_again(self, name: str, attempt: int) -> None:
        """Try once more: a port was taken in between, or a killed server's children linger."""
        if attempt > _LAUNCHES:
            raise ServerFailed(name, _ending(self._children[name].returncode))
        self._next_order(patience=0.3)
        self._launch(name)

    def _restart(self, name: str) -> None:
        self._signal(name)
        _reap(self._children[name], time.monotonic() + _STOP_SECONDS)
        self._launch(name)
        self._await([name])
        self._publish()
        say("restarted", server=name, pids=self._pids(), addresses=self._addresses())

    def _signal(self, name: str) -> None:
        self._children[name].send_signal(self._servers[name].stop_signal)

    def _next_order(self, patience: float) -> str | None:
        order = self._orders.read(patience)
        if order == "stop" or self._orders.ended or _signals or os.getppid() != self._parent:
            raise Stopped
        return order

    def _pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    def _addresses(self) -> dict[str, str]:
        return {k: v for server in self._servers.values() for k, v in server.addresses.items()}

    def _publish(self) -> None:
        write_private_json(self._home.note, {**self._addresses(), "pid": os.getpid()})


def say(event: str, **details: object) -> None:
    """Tell the parent, if it is still there."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps({"event": event, **details}).encode() + b"\n")


def main() -> None:
    """Lock the home, run the servers until told to stop, and stop them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _remember)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    orders = json.loads(sys.argv[1])
    options = temporal.Options(orders["search_attributes"], orders["extra"], orders["in_memory"])
    home = Home(Path(orders["home"]))
    lock = home.lock(LOCK_PATIENCE_SECONDS)
    if lock is None:
        say("busy")
        return
    home.shorten_logs()
    try:
        _keep(Guard(home, lock, options, orders["parent"]))
    except ServerFailed as failure:
        say("failed", server=failure.server, text=failure.reason)


def _keep(guard: Guard) -> None:
    try:
        guard.start()
        guard.watch()
    except Stopped:
        pass
    finally:
        guard.stop()


def _remember(number: int, _frame: FrameType | None) -> None:
    _signals.append(number)


def _reap(child: Child, deadline: float) -> None:
    try:
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _ending(code: int) -> str:
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with code {code}"


if __name__ == "__main__":
    main()
