"""The command `casekeeper`: every command in one list, and the one place where it ends."""

import contextlib
import gc
import io
import os
import sys
import time
import traceback
from collections.abc import Sequence

import typer

from cases.errors import InvalidInput
from runtime.settings import read_settings
from starters.approvals import approvals
from starters.approve import approve, deny
from starters.approvers import approvers
from starters.audit import audit
from starters.backtest import backtest
from starters.cancel import cancel
from starters.codec import codec, keys
from starters.demo import demo
from starters.deployment import deployment
from starters.diff import diff
from starters.doctor import doctor
from starters.erase import erase
from starters.explain import explain
from starters.fork import fork
from starters.history import history
from starters.invariants import invariants
from starters.migrate import migrate
from starters.policy import policy
from starters.promote import promote
from starters.reconcile import reconcile
from starters.reopen import reopen
from starters.replay import replay
from starters.resolve import resolve
from starters.sandbox import sandbox
from starters.say import say
from starters.show import show
from starters.start import start
from starters.terminal import EXPECTED, exit_code, fail, sentence
from starters.unlock import unlock
from starters.up import up
from starters.worker import worker

app = typer.Typer(
    name="casekeeper",
    help="Support cases that several agents solve together: nothing lost, nothing paid twice.\n\n"
    "New here? `casekeeper demo` shows it all in a few seconds; then `casekeeper up` in one "
    "terminal, and the other commands in a second one.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 not found, 4 conflict, "
    "5 a server is not reachable.",
    add_completion=False,
)

_GROUPS = {
    "Try it": (demo, up),
    "Cases": (start, say, cancel, reopen),
    "Decide": (approvals, approve, deny, resolve, unlock),
    "Look": (show, history, diff, explain, audit),
    "Time travel": (fork, promote, backtest),
    "Run it": (worker, replay, reconcile, invariants, erase, migrate, doctor),
}

for group, commands in _GROUPS.items():
    for command in commands:
        app.command(rich_help_panel=group)(command)
app.add_typer(approvers, name="approvers", rich_help_panel="Decide")
app.add_typer(policy, name="policy", rich_help_panel="Decide")
app.add_typer(deployment, name="deployment", rich_help_panel="Run it")
app.add_typer(sandbox, name="sandbox", rich_help_panel="Try it")
app.add_typer(codec, name="codec", rich_help_panel="Run it")
app.add_typer(keys, name="keys", rich_help_panel="Run it")


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Whatever goes wrong is one sentence, never a traceback."""
    as_json = "--json" in arguments
    try:
        code = app(list(arguments) or ["--help"], prog_name="casekeeper", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        fail(_usage(error), error.exit_code, as_json)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter's last flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EXPECTED as error:
        fail(sentence(error), exit_code(error), as_json)
        return exit_code(error)
    except Exception as error:  # noqa: BLE001  the last resort
        _say_unforeseen(error, as_json)
        return 1
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    help_of = context.command_path if context else "casekeeper"
    return f"{error.format_message().rstrip('.')}. See `{help_of} --help`."


def _say_unforeseen(error: Exception, as_json: bool) -> None:
    """Only the kind of error: its text may hold a customer's words, or a password."""
    with contextlib.suppress(InvalidInput):
        if read_settings().log_level == "DEBUG":
            traceback.print_exception(error)
    fail(
        f"This should not have happened: {type(error).__name__}. "
        "CASEKEEPER_LOG_LEVEL=DEBUG shows where.",
        1,
        as_json,
    )


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # What a customer wrote may not fit the terminal's encoding: show it escaped, do not fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    _settle()
    sys.exit(code)


def _settle() -> None:
    """Let the Temporal SDK's threads end: a process that leaves at once may abort with code 134."""
    gc.collect()
    time.sleep(0.2)


if __name__ == "__main__":
    main()
