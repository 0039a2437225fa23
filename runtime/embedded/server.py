"""A server of the embedded stack, launched so that it never outlives its guard."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PREPARATION_SECONDS = 120


class ServerFailed(Exception):
    """A server, or a program that prepares it, did not do what it was started for."""

    def __init__(self, server: str, reason: str) -> None:
        """Say which server, and in a few words what happened."""
        super().__init__(f"{server}: {reason}")
        self.server = server
        self.reason = reason


class Account(NamedTuple):
    """The system account under which a program runs."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """A command with all that it needs to be launched; ``account`` None is our own."""

    name: str
    command: Sequence[str | Path]
    directory: Path
    log: Path
    account: Account | None = None


@dataclass(frozen=True)
class Server:
    """A program that serves: how to see that it does, how to end it, and where it is reached."""

    program: Program
    answers: Callable[[], bool]
    stop_signal: signal.Signals
    addresses: dict[str, str]
    once_ready: Callable[[], None] = field(default=lambda: None)


def launch(program: Program, *, lock: int, stdin: int = subprocess.DEVNULL) -> "Child":
    """Start ``program`` in a session of its own, bound to the life of this process.

    The child inherits ``lock``, so the home stays locked as long as the child lives. Call this from
    the main thread: on Linux the child dies with the *thread* that started it.
    """
    account = program.account
    with program.log.open("ab") as log:
        return subprocess.Popen(
            [os.fspath(part) for part in program.command],
            cwd=program.directory,
            env=_environment(),
            stdin=stdin,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=() if account else None,
            umask=0o077,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 the guard has no other threads
        )


Child = subprocess.Popen[bytes]


def run(program: Program, *, lock: int, text: str = "") -> None:
    """Run ``program`` to its end with ``text`` as its input.

    Raises ServerFailed when it ends badly or takes longer than two minutes.
    """
    child = launch(program, lock=lock, stdin=subprocess.PIPE)
    try:
        child.communicate(text.encode(), timeout=_PREPARATION_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.returncode != 0:
        command = Path(program.command[0]).name
        raise ServerFailed(program.name, f"{command} ended with code {child.returncode}")


def _environment() -> dict[str, str]:
    # A user's PGPORT, PGOPTIONS or TEMPORAL_ADDRESS is meant for other servers than these.
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "TEMPORAL_"))}
    return {**own, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}


def _die_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # before the fork: loading is not safe after it

    def bind_to_parent() -> None:  # runs after the change of user, which would undo it
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind_to_parent
