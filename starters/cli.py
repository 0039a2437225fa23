"""The command `casekeeper`: every command in one list."""

import io
import sys

import typer

from starters.approvals import approvals
from starters.approve import approve, deny
from starters.audit import audit
from starters.cancel import cancel
from starters.demo import demo
from starters.doctor import doctor
from starters.history import history
from starters.migrate import migrate
from starters.sandbox import sandbox
from starters.say import say
from starters.show import show
from starters.start import start
from starters.up import up
from starters.worker import worker

app = typer.Typer(
    name="casekeeper",
    help="Support cases that several agents solve together: nothing lost, nothing paid twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold a customer's words
)

for command in (
    up, demo, start, say, cancel, approvals, approve, deny, show, history, audit, worker, migrate,
    doctor,
):  # fmt: skip
    app.command()(command)
app.add_typer(sandbox, name="sandbox")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # What a customer wrote may not fit the terminal's encoding: show it escaped, do not fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
