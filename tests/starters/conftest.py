"""Runs commands in this process: a subprocess takes two seconds to start, a call none."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from temporalio.client import Client

from runtime.servers import Servers
from starters.cli import run


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


class CommandLine(Protocol):
    async def __call__(self, *arguments: str) -> Done: ...


def _ignore(*_: object) -> None:
    """Signals belong to the process that runs the tests."""


@pytest.fixture(autouse=True)
def no_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `migrate` would schedule would go on beside all later tests of the session."""

    async def none(_client: Client) -> None:
        """Schedule nothing."""

    monkeypatch.setattr("workers.preparation.ensure_schedules", none)


@pytest.fixture
def casekeeper(
    servers: Servers,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> CommandLine:
    """`await casekeeper("show", "case_1")` on the session's servers."""
    assert servers
    monkeypatch.setenv("CASEKEEPER_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    for module in ("starters.worker", "starters.demo", "starters.up"):
        monkeypatch.setattr(f"{module}.stop_on_signals", _ignore)

    async def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = await asyncio.to_thread(run, arguments)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return call


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., str]:
    """A file of these lines, as the argument of --file."""

    def write(*lines: object, name: str = "cases.jsonl") -> str:
        path = tmp_path / name
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), "utf-8")
        return str(path)

    return write
