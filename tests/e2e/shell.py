"""A user's shell: a folder, and programs that run in it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from starters.cli import run

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
#: How long anything may take before a test gives up, in seconds.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Done:
    """What a program left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


class Program:
    """A program that runs beside the test."""

    def __init__(self, popen: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.popen = popen
        self._out = out
        self._err = err

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def until_it_says(self, words: str) -> None:
        """Wait until it has said so, on either stream."""

        def said() -> bool:
            assert self.popen.poll() is None, f"it has ended: {self.err}"
            return words in self.out + self.err

        eventually(said)

    def end(self, number: signal.Signals) -> int:
        """Send the signal as a terminal or a supervisor would; the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_S)


class Shell:
    """`casekeeper` and `temporal` in one folder, with no variable of ours set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def home(self) -> Path:
        """Where the stack of `up` keeps its data."""
        return self.folder / ".casekeeper"

    def casekeeper(self, *arguments: str, code: int | None = 0, **variables: str) -> Done:
        """Run a command to its end; `code` None accepts every exit code."""
        return self.run([PROGRAMS / "casekeeper", *arguments], code, variables)

    def answer(self, *arguments: str) -> Any:
        """The document that a command prints with --json."""
        return self.casekeeper(*arguments, "--json").json()

    def look(self, *arguments: str) -> Any:
        """The document of a command that is run in this process: for what is not under test."""
        out, err = io.StringIO(), io.StringIO()
        home = {"CASEKEEPER_HOME": str(self.home)}
        with (
            patch.dict(os.environ, home),
            redirect_stdout(out),
            redirect_stderr(err),
            ThreadPoolExecutor(1) as threads,  # the main thread has the tests' event loop
        ):
            code = threads.submit(run, (*arguments, "--json")).result()
        assert code == 0, err.getvalue()
        return json.loads(out.getvalue())

    def until(self, case_id: str, status: str) -> None:
        """Wait until the case stands there."""
        eventually(lambda: self.look("show", case_id)["status"] == status)

    def temporal(self, *arguments: str, code: int | None = 0) -> Done:
        """Run the plain `temporal` program on the stack that `up` started."""
        address = self.look("doctor")["temporal_address"]
        return self.run([PROGRAMS / "temporal", *arguments, "--address", address], code, {})

    def run(
        self, command: Sequence[str | Path], code: int | None, variables: dict[str, str]
    ) -> Done:
        """Run any program here."""
        ended = subprocess.run(
            command, cwd=self.folder, env=environment(variables), capture_output=True,
            stdin=subprocess.DEVNULL, timeout=180, check=False,
        )  # fmt: skip
        done = Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
        assert code in (None, done.code), done
        assert "Traceback" not in done.err
        return done

    @contextmanager
    def running(self, *arguments: str | Path, **variables: str) -> Generator[Program]:
        """A program that runs for the block; `casekeeper` where none is named by its path."""
        command = [*arguments]
        if not isinstance(command[0], Path):
            command = [PROGRAMS / "casekeeper", *command]
        number = len(list(self.folder.glob("*.out")))
        out, err = (self.folder / f"{number}.{name}" for name in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            popen = subprocess.Popen(
                command, cwd=self.folder, env=environment(variables), stdin=subprocess.DEVNULL,
                stdout=out_file, stderr=err_file, start_new_session=True,
            )  # fmt: skip
        try:
            yield Program(popen, out, err)
        finally:
            if popen.poll() is None:
                popen.terminate()
                try:
                    popen.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    popen.kill()
                    popen.wait()

    @contextmanager
    def up(self, *options: str) -> Generator[Program]:
        """`casekeeper up` for the block."""
        with self.running("up", *options, CASEKEEPER_GRACE_S="1") as program:
            program.until_it_says("Casekeeper is up")
            yield program


def environment(variables: dict[str, str]) -> dict[str, str]:
    """The environment of a user who has set nothing of ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "CASEKEEPER_"))}
    return {**kept, "COLUMNS": "80", "PYTHONPATH": str(ROOT), **variables}


def eventually(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"it does not hold after {patience_s} s"
        time.sleep(0.1)


def world_of(*customers: str, amount_minor: int = 4999) -> dict[str, Any]:
    """Customers with a pair of equal charges each, as `sandbox load` reads them."""
    return {
        "customers": [
            {"id": f"cus_{name}", "email": f"{name}@example.com", "name": name}
            for name in customers
        ],
        "charges": [
            {
                "id": f"ch_{name}_{twin}",
                "customer_id": f"cus_{name}",
                "amount_minor": amount_minor,
                "currency": "USD",
                "merchant": "Northwind Music",
                "description": "Family plan",
                "created_at": time.strftime(f"%Y-%m-%dT0{twin}:00:00Z", time.gmtime()),
                "status": "captured",
            }
            for name in customers
            for twin in (1, 2)
        ],
    }
