"""How commands speak: one JSON document or readable text on standard output, errors as sentences.

Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 not found, 4 conflict, 5 a server is not
reachable.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import asyncpg
import typer
from rich.console import Console
from temporalio.service import RPCError, RPCStatusCode

from cases.errors import CaseError, Conflict, InvalidInput, NotFound
from cases.ids import check_identifier
from runtime.embedded.stack import StackAlreadyRunning, StackFailed
from runtime.servers import ServerUnreachable
from stores.migrations import SchemaMismatch

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
BranchOption = Annotated[str, typer.Option("--branch", help="Which branch of the case.")]


def _case_id(value: str) -> str:
    try:
        return check_identifier(value, "case")
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from error


CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", help="The case's id.", callback=_case_id)
]


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
    except _EXPECTED as error:
        fail(str(error), exit_code(error), as_json)
        raise typer.Exit(exit_code(error)) from None
    finally:
        settle()


def print_result(result: T, as_json: bool, show: Callable[[T], None]) -> None:
    """One JSON document, or the text that the command makes of the same data."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=True, default=str) + "\n")
    else:
        show(result)
    sys.stdout.flush()


def fail(sentence: str, code: int, as_json: bool) -> None:
    """Say what went wrong: to people on standard error, to machines as the document."""
    if as_json:
        sys.stdout.write(json.dumps({"error": sentence, "exit_code": code}) + "\n")
    err.print(f"casekeeper: {sentence}", style="red", markup=False, soft_wrap=True)


_EXPECTED = (
    CaseError,
    ServerUnreachable,
    StackAlreadyRunning,
    StackFailed,
    SchemaMismatch,
    RPCError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
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


def settle() -> None:
    """Let the Temporal SDK's threads end: a process that leaves at once may abort with code 134."""
    if "temporalio.worker" in sys.modules:
        gc.collect()
        time.sleep(0.2)
