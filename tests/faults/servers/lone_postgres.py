"""A Postgres of one test alone: killed, filled, and replaced by its standby."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.embedded.home import Home
from runtime.embedded.installation import discard_copy, reachable_binaries
from runtime.embedded.ports import Ports
from runtime.embedded.postgres import Postgres
from runtime.embedded.server import Account, Child, Program, Server, launch, run
from tests.faults.servers.own import send

_PATIENCE_S = 60.0


@dataclass
class LonePostgres:
    """The server in a folder; `options` are further arguments of it."""

    home: Home
    lock: int
    options: tuple[str, ...] = ()
    _server: Server | None = None
    _child: Child | None = None

    @classmethod
    def in_folder(cls, folder: Path, *options: str) -> "LonePostgres":
        """Take the folder, which may hold data; nothing is started yet."""
        home = Home(folder)
        home.create()
        lock = home.lock(1)
        assert lock
        return cls(home, lock, options)

    @property
    def url(self) -> str:
        """As the role that runs cases."""
        assert self._server
        return self._server.addresses["database_url"]

    @property
    def owner_url(self) -> str:
        assert self._server
        return self._server.addresses["owner_database_url"]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])

    def prepare(self) -> None:
        """Make the database where there is none; a standby may copy it."""
        Postgres(self.home, self.lock).prepare(lambda _: None)
        rules = self.home.data("postgres") / "pg_hba.conf"
        rule = rules.read_text().replace("host all all", "host replication all")
        if "replication" not in rules.read_text():
            rules.write_text(rules.read_text() + rule)

    def start(self) -> None:
        """Start it, again too, and wait until it answers."""
        self._server = Postgres(self.home, self.lock).server(Ports(self.home.ports))
        command = (*self._server.program.command, *self.options)
        self._child = launch(replace(self._server.program, command=command), lock=self.lock)
        deadline = time.monotonic() + _PATIENCE_S
        while not self._server.answers():
            assert self._child.poll() is None, self.home.log("postgres").read_text()
            assert time.monotonic() < deadline, self.home.log("postgres").read_text()
            time.sleep(0.05)

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """All its processes, at once."""
        if self._child:
            send(self._child.pid, signal.SIGKILL)
            self._child.wait(_PATIENCE_S)

    def close(self) -> None:
        """End it however it stands, and leave the folder."""
        self.kill()
        discard_copy(self.home)
        os.close(self.lock)

    def copied_to(self, folder: Path, through: int) -> "LonePostgres":
        """A standby in that folder, which follows this server by another port that leads to it."""
        data = self.home.data("postgres")
        account = Account(data.stat().st_uid, data.stat().st_gid)
        standby = LonePostgres.in_folder(folder)
        for file in self.home.root.glob("*.password"):
            (folder / file.name).write_bytes(file.read_bytes())
        copy = standby.home.data("postgres")
        copy.mkdir(mode=0o700)
        os.chown(copy, *account)
        source = self.owner_url.replace(f":{self.port}/", f":{through}/")
        command = (
            reachable_binaries(self.home, account) / "pg_basebackup",
            *("--pgdata", "/proc/self/cwd", "--dbname", source),
            *("--write-recovery-conf", "--checkpoint=fast"),
        )
        log = standby.home.log("postgres")
        program = Program(
            "pg_basebackup", command, copy, log, account if os.geteuid() == 0 else None
        )
        run(program, lock=standby.lock)
        return standby
