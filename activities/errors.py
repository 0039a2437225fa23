"""Errors of the core as Temporal failures: their class is the type, their verdict the retry."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from cases.errors import CaseError


@asynccontextmanager
async def temporal_failures() -> AsyncGenerator[None]:
    """Raise the core's errors as ApplicationError; others pass, and Temporal retries them."""
    try:
        yield
    except CaseError as error:
        raise ApplicationError(
            str(error),
            type=type(error).__name__,
            non_retryable=not error.retryable,
            next_retry_delay=error.retry_after,
        ) from error


def this_activity() -> str:
    """A key of this activity, the same in each of its attempts."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}"


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Heartbeat at a third of the time-out while the block runs: a dead worker is noticed soon."""
    timeout = activity.info().heartbeat_timeout
    if not timeout:
        yield
        return
    beats = asyncio.create_task(_beat(timeout / 3))
    try:
        yield
    finally:
        beats.cancel()
        with suppress(asyncio.CancelledError):
            await beats


async def _beat(every: timedelta) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every.total_seconds())
