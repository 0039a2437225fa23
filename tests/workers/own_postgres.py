"""A Postgres of one test alone, with settings that the session's must not have."""

import dataclasses
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from runtime.embedded.home import Home
from runtime.embedded.installation import discard_copy
from runtime.embedded.ports import Ports
from runtime.embedded.postgres import Postgres
from runtime.embedded.server import launch


@contextmanager
def own_postgres(folder: Path, *options: str, replica: bool = False) -> Generator[str]:
    """Run it for the block; the address of its role that runs cases."""
    home = Home(folder)
    home.create()
    lock = home.lock(1)
    assert lock
    postgres = Postgres(home, lock)
    postgres.prepare(lambda _: None)
    if replica:
        (home.data("postgres") / "standby.signal").touch()
    server = postgres.server(Ports(home.ports))
    command = (*server.program.command, *options)
    process = launch(dataclasses.replace(server.program, command=command), lock=lock)
    try:
        deadline = time.monotonic() + 30
        while not server.answers():
            assert time.monotonic() < deadline, home.log("postgres").read_text()
            time.sleep(0.05)
        yield server.addresses["database_url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        discard_copy(home)
