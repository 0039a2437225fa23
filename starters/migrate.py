"""`casekeeper migrate`: makes servers ready for cases."""

from pathlib import Path
from typing import Any

from runtime.servers import Servers, find_servers
from runtime.settings import read_settings
from starters.terminal import JsonFlag, execute, out
from starters.tokens import save_token
from workers.preparation import prepare
from workers.profile import refuse_unsafe


def migrate(as_json: JsonFlag = False) -> None:
    """Bring the database schema and Temporal's search attributes up to this version."""
    execute(_migrate(), as_json, _print)


async def _migrate() -> dict[str, Any]:
    settings = read_settings()
    servers = find_servers(settings)
    await refuse_unsafe(settings, servers)
    return await make_ready(servers, settings.home)


async def make_ready(servers: Servers, home: Path) -> dict[str, Any]:
    """Prepare the servers; the first approver's token goes into a private file under `home`."""
    prepared = await prepare(servers)
    token_file = None
    if prepared.approver and prepared.token:
        token_file = str(save_token(home, prepared.approver, prepared.token))
    return {
        "migrations": prepared.migrations,
        "search_attributes": prepared.search_attributes,
        "approver": prepared.approver,
        "token_file": token_file,
    }


def _print(result: dict[str, Any]) -> None:
    applied = ", ".join(map(str, result["migrations"])) or "none, it was up to date"
    out.print(f"Migrations applied: {applied}.")
    out.print(f"Search attributes: {', '.join(result['search_attributes'])}.")
    if result["token_file"]:
        out.print(f"First approver: {result['approver']}; the token is in {result['token_file']}.")
