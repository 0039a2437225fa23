"""How commands speak: one JSON document or readable text on standard output, errors as sentences.

Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 not found, 4 conflict, 5 a server is not
reachable.
"""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from temporalio.service import RPCError, RPCStatusCode

from cases.errors import CaseError, Conflict, InvalidInput, NotFound
from cases.ids import check_identifier
from runtime.embedded.stack import StackAlreadyRunning, StackDied, StackFailed
from runtime.servers import ServerUnreachable
from stores.migrations import SchemaMismatch
from stores.postgres import POSTGRES_FAILED

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def _identifier(field: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        return check_identifier(value, field)

    return check


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
BranchOption = Annotated[
    str,
    typer.Option(
        "--branch",
        metavar="BRANCH",
        help="Which branch of the case.",
        callback=_identifier("--branch"),
    ),
]
CaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="CASE",
        help="The case's id, such as case_8842.",
        callback=_identifier("CASE"),
    ),
]


#: Longer parts of a step's name are generated ids and keys.
_LONGEST_WORD = 20
#: Characters that steer the terminal, turn the reading direction or hide what follows: shown by
#: their number.
_DECEPTIVE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff]")


def visible(text: str) -> str:
    """A customer's text for people: what would deceive the eye is shown by its number."""
    return _DECEPTIVE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def plain_step(step: str) -> str:
    """A step's name for people: without the ids that were made up for it."""
    name, *rest = step.split(":")
    return " ".join([name.replace("_", " "), *(p for p in rest if len(p) <= _LONGEST_WORD)])


class PlainTable(Table):
    """A table whose cells are shown as they are: no markup of Rich's, and nothing hidden.

    A merchant, a note or a reason comes from outside, and "[/b]" in it must not end the command.
    """

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(Text(visible(c)) if isinstance(c, str) else c for c in cells), **options)


def plain_table(*columns: str) -> PlainTable:
    """A table without lines; every cell may wrap, so that 80 columns suffice."""
    table = PlainTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def execute(work: Coroutine[Any, Any, T], as_json: bool, show: Callable[[T], None]) -> T:
    """Run a command and print its result; an error becomes a sentence and an exit code."""
    result = attempt(lambda: asyncio.run(work), as_json)
    print_result(result, as_json, show)
    return result


def attempt(work: Callable[[], T], as_json: bool) -> T:
    """Do the work, or leave the process with a sentence and an exit code."""
    try:
        return work()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except EXPECTED as error:
        fail(sentence(error), exit_code(error), as_json)
        raise typer.Exit(exit_code(error)) from None


def print_result(result: T, as_json: bool, show: Callable[[T], None]) -> None:
    """One JSON document, or the text that the command makes of the same data."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=True, default=str) + "\n")
    else:
        show(result)
    sys.stdout.flush()


def fail(problem: str, code: int, as_json: bool) -> None:
    """Say what went wrong: to people on standard error, to machines as the document."""
    if as_json:
        sys.stdout.write(json.dumps({"error": problem, "exit_code": code}) + "\n")
        sys.stdout.flush()
    err.print(Text(f"casekeeper: {problem}", style="red"), soft_wrap=True)


def sentence(error: BaseException) -> str:
    """The error in words; those of the engine are ours to find."""
    if isinstance(error, RPCError):
        return _RPC_SENTENCES.get(error.status, "Temporal refused: {0}").format(error.message)
    if isinstance(error, TimeoutError) and not str(error):
        return "It took too long, and was given up."
    return str(error) or type(error).__name__


#: What commands may raise, and say as a sentence.
EXPECTED = (
    CaseError,
    ServerUnreachable,
    StackAlreadyRunning,
    StackDied,
    StackFailed,
    SchemaMismatch,
    RPCError,
    OSError,
    TimeoutError,
    *POSTGRES_FAILED,
)


def exit_code(error: BaseException) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, InvalidInput):
        return 2
    if isinstance(error, NotFound):
        return 3
    if isinstance(error, Conflict | StackAlreadyRunning):
        return 4
    if isinstance(error, ServerUnreachable | asyncpg.PostgresConnectionError):
        return 5
    if isinstance(error, RPCError):
        return _RPC_CODES.get(error.status, 1)
    return 1


_RPC_CODES = {
    RPCStatusCode.NOT_FOUND: 3,
    RPCStatusCode.ALREADY_EXISTS: 4,
    RPCStatusCode.UNAVAILABLE: 5,
    RPCStatusCode.DEADLINE_EXCEEDED: 5,
}
_RPC_SENTENCES = {
    RPCStatusCode.NOT_FOUND: "Temporal has no open run of this case: it has just closed, or its "
    "start was cut off (repeat the `casekeeper start`).",
    RPCStatusCode.UNAVAILABLE: "Temporal is not reachable: {0}",
    RPCStatusCode.DEADLINE_EXCEEDED: "Temporal is not reachable: it did not answer in time.",
}
