"""`casekeeper unlock`: a person unlocks the account of a case's customer."""

from typing import Annotated, Any

import typer
from temporalio.common import WorkflowIDConflictPolicy

from activities.steps import CaseRef
from cases.effects import EffectState
from cases.ids import MAIN
from cases.tasks import TaskKind
from cases.text import clean_text
from starters.approve import ByOption
from starters.session import Session, open_session
from starters.terminal import CaseArgument, JsonFlag, attempt, execute, out
from starters.tokens import find_token
from stores.tasks import PostgresTasks
from workers.main import TASK_QUEUE
from workflows.unlock import UnlockAccountWorkflow


def unlock(
    case: CaseArgument,
    note: Annotated[str, typer.Option("--note", help="Why; it goes into the audit.")],
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Unlock the account of the case's customer, once you know that it is them."""
    why = attempt(lambda: clean_text(note, "--note"), as_json)
    execute(_unlock_in_session(case, why, by), as_json, _print)


async def _unlock_in_session(case_id: str, note: str, by: str | None) -> dict[str, Any]:
    async with open_session() as session:
        return await unlock_account(session, case_id, note, by)


async def unlock_account(
    session: Session, case_id: str, note: str, by: str | None = None
) -> dict[str, Any]:
    """Put the person's decision on record; then let the ledger, which looks for it, unlock.

    Raises CaseNotFound, Forbidden.
    """
    stores = session.stores
    state = await stores.cases.load(case_id, MAIN)
    token = await find_token(session.settings, stores.approvers, by)
    task_id = await stores.tasks.open(
        TaskKind.UNLOCK_ACCOUNT, case_id, "A person asked to unlock it.", case=(case_id, MAIN)
    )
    # One that is open already: of an agent, or of an unlock that was cut off.
    if task_id := task_id or await _open_task(stores.tasks, case_id):
        await stores.tasks.finish(task_id, token, note)
    outcome = await session.temporal.execute_workflow(
        UnlockAccountWorkflow.run,
        CaseRef(case_id=case_id, customer_id=state.customer_id),
        id=f"unlock-{case_id}",
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Unlock an account",
    )
    return {"case_id": case_id, **outcome.model_dump(mode="json")}


async def _open_task(tasks: PostgresTasks, case_id: str) -> str | None:
    wanted = (TaskKind.UNLOCK_ACCOUNT, case_id)
    waiting = await tasks.waiting()
    return next((task.task_id for task in waiting if (task.kind, task.subject) == wanted), None)


def _print(result: dict[str, Any]) -> None:
    if result["state"] == EffectState.SUCCEEDED:
        out.print(f"The account of the customer of {result['case_id']} is unlocked.")
    else:
        out.print(f"The account was not unlocked: {result['state']} ({result['code']}).")
