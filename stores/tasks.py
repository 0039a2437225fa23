"""Tasks for people, and the compensations that can become one."""

import asyncpg

from cases.effects import EffectState
from cases.errors import CaseError, Forbidden, InvalidInput, TaskFinished, TaskNotFound
from cases.tasks import Task, TaskKind
from stores.approvers import token_hash
from stores.customer_keys import CustomerKeys
from stores.postgres import Pool, case_errors, details, fetch_row, fetch_rows
from stores.steps import storable


class PostgresTasks:
    """Fits `cases.ports.Tasks`, and what people do with tasks."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def open(
        self,
        kind: TaskKind,
        subject: str,
        detail: str,
        *,
        case: tuple[str, str] | None = None,
    ) -> str | None:
        """Hand something to a person; the task's id, or None if it was one before."""
        case_id, branch = case or (None, None)
        detail = await self._sealed(case_id, detail)
        async with case_errors(case_id or "", branch or ""):
            row = await fetch_row(self._pool, "hand_over", kind, subject, case_id, branch, detail)
        return row["task_id"] if row else None

    async def waiting(self, limit: int = 1000) -> list[Task]:
        """What waits for a person, oldest first."""
        rows = await self._keys.opened(await fetch_rows(self._pool, "list_tasks", limit))
        return [Task(**row) for row in rows]

    async def finish(
        self,
        task_id: str,
        token: str,
        note: str,
        *,
        outcome: EffectState | None = None,
        receipt: str | None = None,
    ) -> None:
        """Say that it is done, and of an effect what became of it: succeeded or rejected.

        Raises Forbidden, TaskNotFound, TaskFinished, InvalidInput.
        """
        task = await fetch_row(self._pool, "case_of_task", task_id)
        note = await self._sealed(task["case_id"] if task else None, note)
        try:
            await fetch_row(
                self._pool, "finish_task", task_id, token_hash(token), outcome,
                receipt and storable(receipt), note,
            )  # fmt: skip
        except asyncpg.PostgresError as error:
            raise _refusal(task_id, error) from error

    async def end_compensation(self, case_id: str, branch: str, name: str, problem: str) -> bool:
        """Commit that a step was undone, or by its problem that it was not: then it is a task.

        False where it was not on record as open: its step never acted, or it has ended before.
        """
        state = "failed" if problem else "done"
        problem = await self._sealed(case_id, problem)
        async with case_errors(case_id, branch):
            row = await fetch_row(
                self._pool, "end_compensation", case_id, branch, name, state, problem
            )
        return row is not None and bool(row["ended"])

    async def open_compensations(self, case_id: str, branch: str) -> list[str]:
        """What is to be undone of a case, newest first."""
        rows = await fetch_rows(self._pool, "list_compensations", case_id, branch)
        return [row["name"] for row in rows]

    async def _sealed(self, case_id: str | None, text: str) -> str:
        """As it is stored; what belongs to no case names no customer."""
        text = storable(text)
        return (await self._keys.of_case(case_id)).text(text) if case_id else text


def _refusal(task_id: str, error: asyncpg.PostgresError) -> CaseError:
    match error.sqlstate:
        case "CK401":
            return Forbidden("The token belongs to no approver.")
        case "CK402":
            return Forbidden("Nobody finishes a task about their own account.")
        case "CK404":
            return TaskNotFound(task_id)
        case "CK411":
            by = details(error)["by"] or "nobody: it was settled by looking"
            return TaskFinished(task_id, by)
        case "CK412":
            return InvalidInput("outcome", "only an effect whose outcome is not known takes one")
        case _:
            raise error
