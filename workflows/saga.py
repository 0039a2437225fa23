"""Compensations: registered before the step acts, run newest first, and not to be cut short.

What is registered here is also on record: the transaction that lets a step act stores how it is
undone (`stores/functions/saga.sql`), so that a case whose run was ended from outside is undone too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

T = TypeVar("T")
Undo = Callable[[], Awaitable[None]]
#: Told the compensation and what went wrong.
HandOver = Callable[[str, str], Awaitable[None]]


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


class Saga:
    """What must be undone if the case is stopped before its pivot, the refund."""

    def __init__(self, hand_over: HandOver) -> None:
        self._hand_over = hand_over
        self._undo: dict[str, Undo] = {}

    def register(self, compensation: str, undo: Undo) -> None:
        """Call this before the step acts: it may act and then fail to say so."""
        self._undo.setdefault(compensation, undo)

    async def compensate(self) -> None:
        """Undo, newest first; one that fails is handed to a person, and the others still run."""
        while self._undo:
            compensation, undo = self._undo.popitem()
            try:
                await undo()
            except FailureError as error:
                workflow.logger.error("compensation failed", extra={"compensation": compensation})
                await self._hand_over(compensation, str(error.cause or error))
