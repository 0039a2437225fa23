"""`casekeeper deployment`: which builds of the workers there are, and where new cases go."""

from typing import Annotated, Any

import typer

from cases.errors import InvalidInput
from cases.ids import check_identifier
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from starters.terminal import JsonFlag, attempt, execute, out, plain_table
from workers.versioning import describe, make_current

deployment = typer.Typer(help="The builds of the workers: which one takes new cases.")


@deployment.command()
def current(
    build: Annotated[
        str | None,
        typer.Argument(metavar="BUILD", help="The build; CASEKEEPER_BUILD_ID where none is named."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Let new cases go to a build; those that are open stay with their own."""
    build_id = attempt(lambda: _build_id(build), as_json)
    execute(_current(build_id), as_json, _print_current)


@deployment.command()
def show(as_json: JsonFlag = False) -> None:
    """List the builds, and how many open cases each must still finish."""
    execute(_show(), as_json, _print_builds)


def _build_id(given: str | None) -> str:
    build_id = read_settings().build_id if given is None else given
    if given is None and not build_id:
        raise InvalidInput("BUILD", "is missing, and CASEKEEPER_BUILD_ID is not set")
    return check_identifier(build_id, "BUILD")


async def _current(build_id: str) -> dict[str, Any]:
    client = await connect(find_servers(read_settings()))
    return {"current": build_id, "previous": await make_current(client, build_id)}


async def _show() -> dict[str, Any]:
    client = await connect(find_servers(read_settings()))
    return (await describe(client)).model_dump(mode="json")


def _print_current(result: dict[str, Any]) -> None:
    if result["previous"] == result["current"]:
        out.print(f"New cases go to build {result['current']} already: nothing has changed.")
        return
    out.print(f"New cases go to build {result['current']}.")
    if result["previous"]:
        out.print(
            f"Let workers of build {result['previous']} run until `casekeeper deployment show` "
            "says that it is drained."
        )


def _print_builds(result: dict[str, Any]) -> None:
    if not result["builds"]:
        out.print("No worker has a build id: CASEKEEPER_BUILD_ID gives it one.")
        return
    table = plain_table("build", "status", "open cases bound to it")
    for build in result["builds"]:
        table.add_row(build["build_id"], build["status"], str(build["open"]))
    out.print(table)
    if result["current"] is None:
        out.print("None of them is current: new cases go to workers without a build id.")
