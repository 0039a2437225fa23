"""Doors before and behind the activities of single cases, on a worker that many cases share."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from activities.errors import heartbeating
from tests.workflows.support import Gate

BEFORE, AFTER = "before", "after"


class Doors(Interceptor):
    """Holds an activity of one case before or after it ran, or lets it fail for good."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str, str], Gate] = {}
        self._failing: dict[tuple[str, str], str] = {}

    def hold(self, case_id: str, kind: str, when: str) -> Gate:
        """A gate that the activity of that kind must pass."""
        return self._gates.setdefault((case_id, kind, when), Gate())

    def fail(self, case_id: str, kind: str, when: str = BEFORE) -> None:
        """It fails for good, before it has done anything or when only its report is to come."""
        self._failing[case_id, kind] = when

    def open_all(self) -> None:
        """Let everything go on: a worker does not end while something is held."""
        for gate in self._gates.values():
            gate.open.set()

    async def pass_through(self, when: str) -> None:
        info = activity.info()
        case_id = str(info.workflow_id)
        if self._failing.get((case_id, info.activity_type)) == when:
            raise ApplicationError("it cannot be done", type="InvalidInput", non_retryable=True)
        gate = self._gates.get((case_id, info.activity_type, when))
        if gate:
            async with heartbeating():  # so that it hears of a cancel while it is held
                await gate.pass_through()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  its name upstream
        return _Guarded(next, self)


class _Guarded(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, doors: Doors) -> None:
        super().__init__(inner)
        self._doors = doors

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  its name upstream
        await self._doors.pass_through(BEFORE)
        result = await self.next.execute_activity(input)
        await self._doors.pass_through(AFTER)
        return result
