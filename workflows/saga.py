"""Compensations: registered before the step acts, run newest first, and not to be cut short."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

T = TypeVar("T")
Compensation = Callable[[], Awaitable[None]]


async def see_through(work: Coroutine[Any, Any, T], *, stop: bool = False) -> tuple[T, bool]:
    """Run to the end whatever is cancelled meanwhile; the result, and whether it was.

    With `stop` a cancel is passed on, but the work's own end is still waited for.

    A plain `await asyncio.shield(...)` is not enough: the cancelled caller unwinds and the run
    closes before the work is done. So it is awaited again until it is.
    """
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # Either our caller was cancelled, or the task itself: its result tells below.
            cancelled = True
            if stop:
                task.cancel()
        except FailureError:
            break
    return task.result(), cancelled


@dataclass
class Saga:
    """What must be undone if the case does not get past its pivot, the refund."""

    steps: list[tuple[str, Compensation]] = field(default_factory=list[tuple[str, Compensation]])
    #: Compensations that failed for good: a person must do them.
    failed: list[str] = field(default_factory=list[str])

    def register(self, name: str, compensation: Compensation) -> None:
        """Call this before the step acts: it may act and then fail to say so."""
        if name not in (known for known, _ in self.steps):
            self.steps.append((name, compensation))

    def pivot(self) -> None:
        """Money moved: from here on the case only goes forward."""
        self.steps.clear()

    async def compensate(self) -> None:
        """Undo, newest first; one that fails is noted, and the others still run."""
        while self.steps:
            name, compensation = self.steps.pop()
            try:
                await compensation()
            except FailureError as error:
                workflow.logger.error("compensation failed", extra={"step": name})
                self.failed.append(f"{name}: {type(error).__name__}")
