"""Reconciliation: what is open is settled, what was left is taken over, both sides are compared."""

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.options import RECONCILIATION
    from activities.reconcile import ReconcileActivities
    from cases.reconciliation import ReconcileReport, ReconcileTask

T = TypeVar("T")


# Not pinned: a run that waits for a build that is gone would keep the schedule from the next.
@workflow.defn(name="Reconcile", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class ReconcileWorkflow:
    """One reconciliation. Schedules start it; `casekeeper reconcile` does so by hand."""

    @workflow.run
    async def run(self, task: ReconcileTask | None = None) -> ReconcileReport:
        """Do one part after the other. One that fails is said at the end, and stops no other."""
        task = task or ReconcileTask()
        problems: list[ActivityError] = []
        settled = await self._do(
            ReconcileActivities.settle_open_effects, task, "Look at open effects", problems
        )
        taken_over = await self._do(
            ReconcileActivities.take_over_ended_runs, task, "Take over ended runs", problems
        )
        compared = None
        if task.compare_days:
            summary = f"Compare the refunds of {task.compare_days} days"
            compared = await self._do(ReconcileActivities.compare_refunds, task, summary, problems)
        if problems or settled is None or taken_over is None:
            raise problems[0]
        return ReconcileReport(open_effects=settled, ended_runs=taken_over, compared=compared)

    async def _do(
        self,
        part: Callable[[Any, ReconcileTask], Any],
        task: ReconcileTask,
        summary: str,
        problems: list[ActivityError],
    ) -> Any:
        try:
            return await workflow.execute_activity_method(
                part, task, **RECONCILIATION.normal(), summary=summary
            )
        except ActivityError as error:
            problems.append(error)
            return None
