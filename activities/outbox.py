"""Tell what was not told yet: the decisions to their cases, the requests to the approvers."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.errors import heartbeating, temporal_failures
from activities.ledger import LedgeredEffects
from cases.outbox import Occasion, Outbox, Waiting, notice_intent
from cases.ports import Mail, Runs
from cases.records import Record

#: How long telling one thing may take, in seconds; then the others have their turn.
_PATIENCE_S = 20.0

Tell = Callable[[Waiting], Coroutine[Any, Any, None]]


class DeliverTask(Record):
    """Deliver until then, looking every so often."""

    until: datetime
    every: timedelta = timedelta(seconds=5)


class OutboxActivities:
    """The delivery of the outbox."""

    def __init__(self, outbox: Outbox, runs: Runs, effects: LedgeredEffects, mail: Mail) -> None:
        self._outbox = outbox
        self._runs = runs
        self._effects = effects
        self._mail = mail

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [self.deliver_outbox]

    @activity.defn
    async def deliver_outbox(self, task: DeliverTask) -> int:
        """Deliver until the time is up; how many were delivered.

        When its worker stops it fails at once, so that another worker goes on. What was on its way
        then is looked for before it is sent again.
        """
        async with temporal_failures(), heartbeating():
            # Side by side: while the mail system hangs, decisions still reach their cases.
            return await _while_the_worker_runs(
                self._deliver(task, [Occasion.DECISION], self._tell_case),
                self._deliver(task, [Occasion.REQUEST, Occasion.REMINDER], self._tell_approvers),
            )

    async def _deliver(self, task: DeliverTask, kinds: Collection[Occasion], tell: Tell) -> int:
        """Look again and again. What cannot be told now is tried again at the next look."""
        said: set[tuple[int, str]] = set()
        told = 0
        while True:
            async for waiting in self._outbox.waiting(kinds):
                problem = await self._try(tell, waiting)
                told += not problem
                if problem and (waiting.id, problem) not in said:
                    said.add((waiting.id, problem))
                    _warn(waiting, problem)
            left = task.until - datetime.now(UTC)
            if left <= timedelta(0):
                return told
            await asyncio.sleep(min(left, task.every).total_seconds())

    async def _try(self, tell: Tell, waiting: Waiting) -> str:
        """Tell one thing and note that; what went wrong, if anything did."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await tell(waiting)
                await self._outbox.delivered(waiting)
        except Exception as error:  # noqa: BLE001  one that fails must not keep others waiting
            return f"{type(error).__name__}: {error}"
        return ""

    async def _tell_case(self, waiting: Waiting) -> None:
        """Wake the case, which then reads the row; one that has ended needs no word."""
        if waiting.verdict:
            await self._runs.tell_decision(*waiting.listener, waiting.approval_id, waiting.verdict)

    async def _tell_approvers(self, waiting: Waiting) -> None:
        """Send the notice once, unless it was decided meanwhile."""
        if waiting.undecided:
            intent, outcome = await self._effects.once(
                notice_intent(waiting), self._mail.send_notice, self._mail.look_up
            )
            await self._effects.settle_alone(intent, outcome)


async def _while_the_worker_runs(*loops: Coroutine[Any, Any, int]) -> int:
    """All to their ends, and their sum; when the worker stops, or one fails, they are stopped."""
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_watch_worker())
            results = [group.create_task(loop) for loop in loops]
            await asyncio.wait(results)
            watch.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return sum(result.result() for result in results)


async def _watch_worker() -> None:
    await activity.wait_for_worker_shutdown()
    # Benign: each worker that stops would else log it with a traceback.
    raise ApplicationError(
        "The worker stops; another goes on.",
        type="WorkerStopped",
        category=ApplicationErrorCategory.BENIGN,
    )


def _warn(waiting: Waiting, problem: str) -> None:
    activity.logger.warning(
        "something was not told yet; it is tried again",
        extra={"case_id": waiting.case_id, "kind": waiting.kind.value, "problem": problem},
    )
