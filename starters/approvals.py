"""`casekeeper approvals`: what waits for a person."""

from typing import Any

from cases.money import Money
from starters.session import open_records
from starters.terminal import JsonFlag, execute, out, plain_table


def approvals(as_json: JsonFlag = False) -> None:
    """List the requests that wait for a person, oldest first."""
    execute(_approvals(), as_json, _print)


async def _approvals() -> dict[str, list[dict[str, Any]]]:
    async with open_records() as stores:
        requests = await stores.approvals.open_requests()
        return {"approvals": [request.model_dump(mode="json") for request in requests]}


def _print(result: dict[str, list[dict[str, Any]]]) -> None:
    if not result["approvals"]:
        out.print("Nothing waits for a person.")
        return
    table = plain_table("case", "amount", "why", "charges", "asked (UTC)", "expires")
    for request in result["approvals"]:
        table.add_row(
            request["case_id"],
            str(Money.model_validate(request["amount"])),
            request["rule"].replace("_", " "),
            ", ".join(order["charge_id"] for order in request["orders"]),
            _minute(request["requested_at"]),
            _minute(request["expires_at"]),
        )
    out.print(table)
    out.print("Decide with `casekeeper approve CASE` or `casekeeper deny CASE`.", style="dim")


def _minute(at: str) -> str:
    """Month, day, hour and minute: a request never waits for a year."""
    return at[5:16].replace("T", " ")
