"""A workflow with three compensations, for the tests of the saga."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.options import Limits
    from workflows.saga import Saga, see_through

UNDONE: dict[str, list[str]] = {}
#: Those whose step "down" can be undone again.
UP: set[str] = set()


@activity.defn
async def undo(name: str) -> None:
    """Note what was undone; "broken" fails for good, "down" until it is UP again."""
    case, _, step = name.partition("/")
    if step == "down" and case not in UP:
        raise ApplicationError("cannot be undone now", next_retry_delay=timedelta(seconds=2))
    UNDONE.setdefault(case, []).append(step)
    if step == "broken":
        raise ApplicationError("cannot be undone", non_retryable=True)


@workflow.defn
class ThreeSteps:
    """Registers three compensations and waits to be stopped or cancelled."""

    def __init__(self) -> None:
        self._stopped = False

    @workflow.signal
    def stop(self) -> None:
        self._stopped = True

    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        failed: list[str] = []

        async def hand_over(name: str, problem: str) -> None:
            failed.append(f"{name}: {problem}")

        saga = Saga(hand_over)
        for name in names:
            saga.register(name, lambda name=name: self._undo(name))  # type: ignore[misc]
        try:
            await workflow.wait_condition(lambda: self._stopped)
        except asyncio.CancelledError:
            await see_through(saga.compensate())
            if failed:
                return failed
            raise
        await see_through(saga.compensate())
        return failed

    async def _undo(self, name: str) -> None:
        limits = Limits(attempt=timedelta(seconds=20), altogether=timedelta(minutes=1))
        await workflow.execute_activity(
            undo, f"{workflow.info().workflow_id}/{name}", **limits.normal(), summary="Undo"
        )
