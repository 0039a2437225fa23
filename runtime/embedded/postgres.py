"""The embedded Postgres: made at the first start, protected by a password, durable.

Postgres refuses to run as root. When we are root it runs as another account, which need not be able
to reach the home: on Linux it gets its data directory as its working directory and knows no path to
it.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from runtime.embedded.home import Home, write_private
from runtime.embedded.installation import reachable_binaries
from runtime.embedded.ports import LOOPBACK, Ports
from runtime.embedded.server import Account, Program, Server, ServerFailed, run

NAME = "postgres"
#: The superuser owns the tables; the other role runs cases and gets what `migrate` grants it.
_OWNER = "postgres"
_USER = "casekeeper"
_DATABASE = "casekeeper"
_ROLE = """DO $$ BEGIN
    IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} LOGIN; END IF;
    ALTER ROLE {role} PASSWORD '{password}';
END $$;"""
_PROTOCOL_3 = 196_608
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_checkpoints": "off",
    "timezone": "UTC",
}


class Postgres:
    """The Postgres of one home; ``lock`` is the descriptor that its processes inherit."""

    def __init__(self, home: Home, lock: int) -> None:
        """Find the binaries and the account; raises ServerFailed when there are none."""
        self._home = home
        self._lock = lock
        self._data = home.data(NAME)
        self._account = _account(self._data)
        self._binaries = reachable_binaries(home, self._account)

    def prepare(self, report: Callable[[str], None]) -> None:
        """Make the database and its roles where they are missing; raises ServerFailed."""
        if not self._data.exists():
            report("Creating the database, which happens once")
            self._initialise()
        for role in (_OWNER, _USER):
            file = self._home.postgres_password(role)
            if not file.exists():
                password = secrets.token_hex(24)
                self._run_sql(self._data, _ROLE.format(role=role, password=password))
                write_private(file, password)

    def server(self, ports: Ports) -> Server:
        """Describe the server, and clear away what a killed one left behind."""
        _remove_stale_pid(self._data)
        port = ports.take(NAME)
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        return Server(
            program=self._program(self._data, "postgres", f"--port={port}", *settings),
            answers=lambda: _answers(port),
            stop_signal=signal.SIGINT,  # fast: it does not wait until the clients leave
            addresses={
                "database_url": self._url(_USER, port),
                "owner_database_url": self._url(_OWNER, port),
            },
        )

    def _url(self, role: str, port: int) -> str:
        password = self._home.postgres_password(role).read_text()
        return f"postgresql://{role}:{password}@{LOOPBACK}:{port}/{_DATABASE}"

    def _initialise(self) -> None:
        unfinished = self._data.with_name(f"{NAME}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            os.chown(unfinished, *self._account)
        # Nobody may log in with the rules of initdb; ours follow.
        options = (f"--username={_OWNER}", "--auth=reject", "--no-instructions")
        locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run(unfinished, "initdb", *options, "--encoding=UTF8", *locale)
        rule = f"host all all {LOOPBACK}/32 scram-sha-256\n"
        (unfinished / "pg_hba.conf").write_text(rule)
        self._run_sql(unfinished, f"CREATE DATABASE {_DATABASE};")
        unfinished.rename(self._data)

    def _run_sql(self, data: Path, statement: str) -> None:
        _remove_stale_pid(data)
        # -j: a statement ends at an empty line.
        self._run(data, "postgres", "--single", "-j", "postgres", text=f"{statement}\n\n")

    def _run(self, data: Path, program: str, *arguments: str, text: str = "") -> None:
        run(self._program(data, program, *arguments), lock=self._lock, text=text)

    def _program(self, data: Path, program: str, *arguments: str) -> Program:
        where = "/proc/self/cwd" if self._account and sys.platform == "linux" else data
        first, rest = arguments[:1], arguments[1:]  # --single must come first
        command = (self._binaries / program, *first, "-D", where, *rest)
        return Program(NAME, command, data, self._home.log(NAME), self._account)


def _account(data: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    if data.exists():  # also when the account of this name is made or removed between two starts
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerFailed(NAME, "it refuses to run as root, and there is no account nobody")


def _remove_stale_pid(data: Path) -> None:
    """Remove the pid file of a killed server: its number may be another process's by now."""
    # Children of a killed server live on for a moment, and this file keeps a new one away from
    # them. Without /proc we cannot see them, and leave the file to the judgement of Postgres.
    if sys.platform == "linux" and not _is_in_use(data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _is_in_use(data: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").samefile(data) and (process / "exe").readlink().name == NAME:
                return True
        except OSError:  # it has just ended, or is another user's
            continue
    return False


def _answers(port: int) -> bool:
    parameters = f"user\0{_OWNER}\0database\0{_DATABASE}\0\0".encode()
    hello = struct.pack("!ii", len(parameters) + 8, _PROTOCOL_3) + parameters
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(hello)
            return connection.recv(256).startswith(b"R")  # it asks for the password
    except OSError:
        return False
