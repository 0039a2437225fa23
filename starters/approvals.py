"""`casekeeper approvals`: what waits for a person."""

from typing import Any

from rich.text import Text

from cases.approvals import Approval
from cases.tasks import Task
from starters.session import open_records
from starters.terminal import JsonFlag, execute, out, plain_table, visible

Inbox = dict[str, list[dict[str, Any]]]

#: Why a person is asked, by the policy's rule.
_RULES = {
    "above_limit": "above the limit",
    "failed_before": "an earlier refund of it came to nothing",
    "promotion": "a branch is to be promoted",
}


def approvals(as_json: JsonFlag = False) -> None:
    """List the requests and tasks that wait for a person, oldest first."""
    execute(_approvals(), as_json, _print)


async def _approvals() -> Inbox:
    async with open_records() as stores:
        requests = await stores.approvals.open_requests()
        tasks = await stores.tasks.waiting()
    return {
        "approvals": [request.model_dump(mode="json") for request in requests],
        "tasks": [task.model_dump(mode="json") for task in tasks],
    }


def _print(inbox: Inbox) -> None:
    if not inbox["approvals"] and not inbox["tasks"]:
        out.print("Nothing waits for a person.")
    if inbox["approvals"]:
        _print_requests([Approval.model_validate(row) for row in inbox["approvals"]])
    if inbox["tasks"]:
        _print_tasks([Task.model_validate(row) for row in inbox["tasks"]])


def _print_requests(requests: list[Approval]) -> None:
    """Only what the provider's records and the policy say: no word of a customer or a model."""
    table = plain_table("case", "refund", "why", "approved", "until (UTC)")
    for request in requests:
        table.add_row(
            request.case_id,
            "\n".join([str(request.amount), *_orders(request)]),
            _why(request),
            _so_far(request),
            f"{request.expires_at:%m-%d %H:%M}",
        )
    out.print(table)
    out.print("Decide with `casekeeper approve CASE` or `casekeeper deny CASE`.", style="dim")


def _why(request: Approval) -> str:
    why = _RULES.get(request.rule, request.rule.replace("_", " "))
    return f"{why}: {request.promotes}" if request.promotes else why


def _orders(request: Approval) -> list[str]:
    """The charges by the provider's records, each after the earlier one that it repeats."""
    alone = len(request.orders) == 1
    return [
        f"{order.charge_id}{'' if alone else f' {order.amount}'} after {order.anchor_charge}"
        for order in request.orders
    ]


def _so_far(request: Approval) -> str:
    names = f": {', '.join(request.approved_by)}" if request.approved_by else ""
    return f"{len(request.approved_by)} of {request.needed}{names}"


def _print_tasks(tasks: list[Task]) -> None:
    table = plain_table("task", "why", "case", "about", "since (UTC)")
    for task in tasks:
        table.add_row(
            task.task_id,
            task.kind.replace("_", " "),
            task.case_id or "",
            Text(visible(f"{task.subject}: {task.detail}" if task.detail else task.subject)),
            f"{task.opened_at:%m-%d %H:%M}",
        )
    out.print("\nNeeds a person:", style="bold")
    out.print(table)
    out.print(
        'Finish one with `casekeeper resolve TASK --note "what was done"`.',
        style="dim",
    )
