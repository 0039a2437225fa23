"""`casekeeper resolve`: a person has finished what only a person could."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from cases.effects import EffectState
from cases.errors import InvalidInput
from cases.ids import check_identifier
from cases.text import clean_text
from runtime.servers import find_servers
from runtime.settings import read_settings
from starters.approve import ByOption
from starters.session import open_records
from starters.terminal import JsonFlag, attempt, execute, out
from starters.tokens import find_token
from workers.profile import refuse_unsafe


class Found(StrEnum):
    """What a person found out about an effect of which nobody knew what became of it."""

    PAID = "paid"
    UNPAID = "unpaid"


_STATES = {Found.PAID: EffectState.SUCCEEDED, Found.UNPAID: EffectState.REJECTED}


def resolve(  # noqa: PLR0917  typer reads the options from the signature
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="The task's id, as `approvals` lists it.")
    ],
    note: Annotated[str, typer.Option("--note", help="What was done; it goes into the audit.")],
    outcome: Annotated[
        Found | None,
        typer.Option(
            "--outcome", help="Of an effect nobody knows the outcome of: did it happen after all?"
        ),
    ] = None,
    receipt: Annotated[
        str | None, typer.Option("--receipt", help="With paid: the provider's own id of it.")
    ] = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Finish a task that waits for a person."""
    why = attempt(lambda: _check(task, note, outcome, receipt), as_json)
    execute(_resolve(task, why, outcome, receipt, by), as_json, _print)


def _check(task: str, note: str, outcome: Found | None, receipt: str | None) -> str:
    """The note, cleaned; raises InvalidInput that names what cannot be used."""
    check_identifier(task, "TASK")
    if receipt is not None:
        if outcome is not Found.PAID:
            raise InvalidInput("--receipt", "goes with --outcome paid only")
        check_identifier(receipt, "--receipt")
    return clean_text(note, "--note")


async def _resolve(
    task: str, note: str, outcome: Found | None, receipt: str | None, by: str | None
) -> dict[str, Any]:
    settings = read_settings()
    await refuse_unsafe(settings, find_servers(settings))
    async with open_records() as stores:
        token = await find_token(settings, stores.approvers, by)
        state = _STATES[outcome] if outcome else None
        await stores.tasks.finish(task, token, note, outcome=state, receipt=receipt)
        name = await stores.approvers.name_of(token)
    return {"task_id": task, "finished_by": name, "outcome": outcome, "receipt": receipt}


def _print(result: dict[str, Any]) -> None:
    outcome = f": {result['outcome']}" if result["outcome"] else ""
    out.print(f"Task {result['task_id']} is finished by {result['finished_by']}{outcome}.")
