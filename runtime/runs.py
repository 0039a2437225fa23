"""The cases' runs, as Temporal has them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from cases.errors import GatewayUnavailable
from cases.ids import parse_workflow_id, promotion_of, workflow_id
from cases.messages import ApprovalNotice
from cases.ports import EndedRun

#: What the workflows of a case and of a promotion, and their signal, are called.
_TYPE, _PROMOTION = "SupportCase", "Promote"
_DECIDED = "approval_decided"


class TemporalRuns:
    """Fits `cases.ports.Runs`. Without a client it is that of the activity that asks."""

    def __init__(self, client: Client | None = None) -> None:
        self._given = client

    @property
    def _client(self) -> Client:
        return self._given or activity.client()

    async def tell_decision(
        self, case_id: str, branch: str, approval_id: str, verdict: str
    ) -> bool:
        """Wake the case; False where no run of it is open any more."""
        handle = self._client.get_workflow_handle(workflow_id(case_id, branch))
        try:
            await handle.signal(_DECIDED, ApprovalNotice(approval_id=approval_id, verdict=verdict))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise _unavailable(error) from error
        return True

    async def ended_since(self, since: datetime) -> AsyncIterator[EndedRun]:
        """The cases whose newest run was terminated, timed out or failed since then.

        The list of Temporal is a little behind: what is not in it yet is in the next one.
        """
        closed = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        query = (
            f"WorkflowType IN ('{_TYPE}', '{_PROMOTION}') AND CloseTime >= '{closed}' "
            "AND ExecutionStatus IN ('Terminated', 'TimedOut', 'Failed')"
        )
        seen: set[str] = set()
        try:
            async for run in self._client.list_workflows(query):
                if run.id in seen:
                    continue
                seen.add(run.id)
                # A reset ends a run, and the case goes on in another.
                status = await self._status(run.id)
                if status in _ENDED_BADLY:
                    yield _ended(run.id, _ENDED_BADLY[status])
        except RPCError as error:
            raise _unavailable(error) from error

    async def ended_of_itself(
        self, case_id: str, branch: str, *, promotion: bool
    ) -> EndedRun | None:
        """The newest run of the case, or of its promotion, if it completed or was cancelled.

        None where it is open or ended otherwise, and where Temporal does not know it (any more).
        """
        name = workflow_id(promotion_of(case_id) if promotion else case_id, branch)
        try:
            status = await self._status(name)
        except RPCError as error:
            raise _unavailable(error) from error
        return _ended(name, _ENDED_WELL[status]) if status in _ENDED_WELL else None

    async def is_open(self, case_id: str, branch: str) -> bool:
        """Whether a run of the case is open."""
        try:
            status = await self._status(workflow_id(case_id, branch))
        except RPCError as error:
            raise _unavailable(error) from error
        return status is WorkflowExecutionStatus.RUNNING

    async def stop(self, case_id: str, branch: str, reason: str) -> None:
        """End the run of the case, if one is open: the case goes on without it."""
        try:
            await self._client.get_workflow_handle(workflow_id(case_id, branch)).terminate(
                reason=reason
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise _unavailable(error) from error

    async def delete(self, case_id: str, branch: str) -> int:
        """Have Temporal delete every run of the case and its promotion; how many there are.

        It deletes a little later, and its list of runs may be a little behind: what is not in it
        yet is in the next one. Raises GatewayUnavailable.
        """
        names = [workflow_id(case_id, branch), workflow_id(promotion_of(case_id), branch)]
        query = " OR ".join(f"WorkflowId = '{name}'" for name in names)
        deleted = 0
        try:
            async for run in self._client.list_workflows(query):
                await self._delete(run.id, run.run_id)
                deleted += 1
        except RPCError as error:
            raise _unavailable(error) from error
        return deleted

    async def _delete(self, name: str, run_id: str) -> None:
        execution = WorkflowExecution(workflow_id=name, run_id=run_id)
        request = DeleteWorkflowExecutionRequest(
            namespace=self._client.namespace, workflow_execution=execution
        )
        try:
            await self._client.workflow_service.delete_workflow_execution(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it was deleted before
                raise

    async def _status(self, name: str) -> WorkflowExecutionStatus | None:
        """Of the newest run; None where Temporal has none (any more)."""
        try:
            return (await self._client.get_workflow_handle(name).describe()).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


def _ended(name: str, how: str) -> EndedRun:
    case_id, branch = parse_workflow_id(name)
    promoted = case_id.removeprefix(promotion_of(""))
    return EndedRun(case_id=promoted, branch=branch, how=how, promotion=promoted != case_id)


_ENDED_BADLY: "dict[WorkflowExecutionStatus | None, str]" = {
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.FAILED: "failed",
}
_ENDED_WELL: "dict[WorkflowExecutionStatus | None, str]" = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
}


def _unavailable(error: RPCError) -> GatewayUnavailable:
    return GatewayUnavailable("Temporal", error.status.name.lower())
