"""What holds for every command: clear refusals, right exit codes, and nothing half-done."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from starters.cli import app
from starters.session import Session
from tests.starters.conftest import CommandLine, Done
from tests.starters.table import BY_NAME, CLOSED, COMMANDS, REDIS, SERVER, Command

each = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
of_a_case = pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.about_a_case], ids=lambda command: command.name
)


def names_of(group: Any, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from names_of(command, f"{prefix}{name} ")
        else:
            yield prefix + name


def assert_refused(done: Done, code: int, *words: str) -> None:
    """One sentence on standard error and nothing on standard output."""
    assert done.code == code, done
    assert done.out == ""
    assert done.err.startswith("casekeeper: ")
    assert done.err.count("\n") == 1, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


def assert_refused_as_json(done: Done, code: int, *words: str) -> None:
    """The document on standard output; people read the same on standard error."""
    assert done.code == code, done
    document = done.json()
    assert document["exit_code"] == code
    assert document["error"] in done.err.replace("casekeeper: ", "")
    for word in words:
        assert word in document["error"]


async def rows(session: Session) -> list[int]:
    """How much there is on record, and in the sandbox."""
    counted = await session.stores.pool.fetchrow(
        "SELECT (SELECT count(*) FROM cases), (SELECT count(*) FROM case_audit),"
        " (SELECT count(*) FROM checkpoints), (SELECT count(*) FROM messages),"
        " (SELECT count(*) FROM effects), (SELECT count(*) FROM approvals),"
        " (SELECT count(*) FROM sandbox.customers), (SELECT count(*) FROM sandbox.charges),"
        " (SELECT count(*) FROM sandbox.refunds), (SELECT count(*) FROM sandbox.mails)"
    )
    return list(counted or ())


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_every_command_has_its_line_in_the_table() -> None:
    assert sorted(names_of(typer.main.get_command(app))) == sorted(BY_NAME)


@each
async def test_help_fits_80_columns(command: Command, casekeeper: CommandLine) -> None:
    done = await casekeeper(*command.name.split(), "--help")
    assert done.code == 0
    assert done.err == ""
    assert "--json" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


async def test_without_a_command_it_says_where_to_begin(casekeeper: CommandLine) -> None:
    done = await casekeeper()
    assert done.code == 0
    assert "New here? `casekeeper demo`" in done.out
    for group in ("Try it", "Cases", "Decide", "Look", "Run it"):
        assert f"─ {group} ─" in done.out


@each
async def test_an_unknown_option_is_bad_usage(command: Command, casekeeper: CommandLine) -> None:
    line = (*command.line, "--no-such-option")
    see = f"See `casekeeper {command.name} --help`"
    assert_refused(await casekeeper(*line), 2, "No such option: --no-such-option", see)
    assert_refused_as_json(await casekeeper(*line, "--json"), 2, "--no-such-option")


async def test_an_unknown_command_is_bad_usage(casekeeper: CommandLine) -> None:
    assert_refused(await casekeeper("pay"), 2, "No such command 'pay'")
    assert_refused_as_json(await casekeeper("pay", "--json"), 2, "No such command 'pay'")


@of_a_case
async def test_an_unknown_case_is_not_found(
    command: Command, casekeeper: CommandLine, session: Session
) -> None:
    before = await rows(session)
    sentence = "There is no case no_such_case."
    assert_refused(await casekeeper(*command.line), 3, sentence)
    assert_refused_as_json(await casekeeper(*command.line, "--json"), 3, sentence)
    assert await rows(session) == before


@of_a_case
@pytest.mark.parametrize("case_id", ["", "two words", "a/b", "x" * 65, "case_\udc80", "-", "ü"])
async def test_what_cannot_be_an_id_is_bad_usage(
    command: Command, case_id: str, casekeeper: CommandLine
) -> None:
    name, _, *more = command.line
    options, rest = (more, []) if more and more[0].startswith("-") else ([], more)
    done = await casekeeper(name, *options, "--json", "--", case_id, *rest)
    assert_refused_as_json(done, 2, "CASE: ", "is not an id")


@pytest.mark.parametrize("command", ["show", "history", "audit"])
async def test_what_cannot_be_a_branch_is_bad_usage(command: str, casekeeper: CommandLine) -> None:
    done = await casekeeper(command, "case_1", "--branch", "b\udc80")
    assert_refused(done, 2, "--branch: ", "is not an id")


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.needs and not c.brings_servers], ids=str
)
async def test_without_any_server_it_says_how_to_start_them(
    command: Command,
    casekeeper: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CASEKEEPER_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert_refused(await casekeeper(*command.line), 5, "Start one with `casekeeper up`")
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert_refused_as_json(await casekeeper(*command.line, "--json"), 5, "no stack is running")
    assert is_empty(tmp_path)


@pytest.mark.parametrize(
    ("command", "address"),
    [(command, address) for command in COMMANDS for address in command.needs],
    ids=lambda value: value.name if isinstance(value, Command) else value,
)
async def test_a_server_that_does_not_answer_is_named(
    command: Command,
    address: str,
    casekeeper: CommandLine,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await rows(session)
    monkeypatch.setenv(address, CLOSED[address])
    monkeypatch.setattr("sys.stdin", io.StringIO('{"customers": [{"id": "c", "email": "e"}]}'))
    done = await casekeeper(*command.line, "--json")
    assert_refused_as_json(done, 5, f"{SERVER[address]} is not reachable")
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err
    assert await rows(session) == before


@of_a_case
async def test_redis_may_be_gone(
    command: Command, casekeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REDIS, CLOSED[REDIS])
    assert_refused(await casekeeper(*command.line), 3, "There is no case no_such_case.")


@pytest.mark.parametrize(
    ("variable", "code", "words"),
    [
        ("REDIS_URL=nonsense", 5, "Redis is not reachable: REDIS_URL does not begin with"),
        ("DATABASE_URL=nonsense", 5, "Postgres is not reachable"),
        ("TEMPORAL_ADDRESS=nonsense", 5, "Temporal is not reachable"),
        ("TEMPORAL_PROFILE=nonsense", 5, "Temporal is not reachable: its settings"),
        ("CASEKEEPER_LOG_LEVEL=loud", 2, "CASEKEEPER_LOG_LEVEL: "),
        ("CASEKEEPER_GRACE_S=-1", 2, "CASEKEEPER_GRACE_S: "),
    ],
)
async def test_a_variable_that_cannot_be_used_is_named(
    variable: str,
    code: int,
    words: str,
    casekeeper: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    assert_refused(await casekeeper("show", "case_1"), code, words)


async def test_only_named_variables_are_read(
    casekeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field `home` must not read $HOME, nor `model` $MODEL."""
    for name in ("HOME", "MODEL", "LOG_LEVEL", "WEB_URL", "GRACE_S", "APPROVER_TOKEN"):
        monkeypatch.setenv(name, "/nowhere")
    assert (await casekeeper("doctor")).code == 0


async def test_what_nobody_foresaw_is_a_sentence_without_private_words(
    casekeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError("my card is 4242")

    monkeypatch.setattr("starters.history._history", fail)
    assert_refused(await casekeeper("history", "c"), 1, "LookupError", "CASEKEEPER_LOG_LEVEL=DEBUG")
    done = await casekeeper("history", "c", "--json")
    assert "4242" not in done.out + done.err
    assert json.loads(done.out)["exit_code"] == 1
    monkeypatch.setenv("CASEKEEPER_LOG_LEVEL", "debug")
    assert 'raise LookupError("my card' in (await casekeeper("history", "c")).err
