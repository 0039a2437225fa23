"""One case of many that share a worker, each of which can be held where its test wants it."""

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from temporalio.api.enums.v1 import EventType

from cases.messages import ApprovalNotice, CancelRequest, CaseRequest, CustomerMessage
from starters.session import CaseHandle, Session
from tests.conftest import SmallWorld
from tests.workflows.doors import Doors
from tests.workflows.support import events_of, eventually, of_type
from workers.composition import Gateways, all_activities
from workers.main import TASK_QUEUE, build_worker
from workflows.support_case import SupportCaseWorkflow

T = TypeVar("T")
#: A local activity is held within a workflow task, which takes news in when it is renewed.
_TASK_TIMEOUT = timedelta(seconds=1.5)
#: So many cases are played at a time.
_AT_A_TIME = 24
_NUMBERS = itertools.count(1)
_NEWS = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
)
_STOPPED = EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
_TAKEN_IN = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


class Play:
    """One case of its own customer, on a worker with doors."""

    def __init__(self, session: Session, doors: Doors) -> None:
        self.world = SmallWorld(session, f"{os.getpid()}-stand-{next(_NUMBERS)}")
        self.case_id = f"case_{self.world.number}"
        self.doors = doors
        self.handle: CaseHandle = session.handle(self.case_id)

    async def start(self, text: str) -> None:
        """With the text in the start, so that putting it on record is a step of the case."""
        await self.world.session.temporal.start_workflow(
            SupportCaseWorkflow.run,
            CaseRequest(customer_id=self.world.customer_id, text=text),
            id=self.case_id,
            task_queue=TASK_QUEUE,
            task_timeout=_TASK_TIMEOUT,
        )

    async def cancel_natively(self) -> None:
        await self.handle.cancel()
        await self.taken_in()

    async def cancel_by_signal(self) -> None:
        await self.handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest(reason="a mistake"))
        await self.taken_in()

    async def write(self, text: str) -> None:
        """The customer says more, by a plain signal."""
        await self.handle.signal(SupportCaseWorkflow.customer_said, CustomerMessage(text=text))
        await self.taken_in()

    async def forge(self) -> None:
        """Someone says that a request was approved which there is not."""
        notice = ApprovalNotice(approval_id="apr_forged", verdict="approved")
        await self.handle.signal(SupportCaseWorkflow.approval_decided, notice)

    async def taken_in(self) -> None:
        """Wait until the workflow has seen the last that it was told."""

        async def seen() -> bool:
            kinds = [event.event_type for event in await events_of(self.handle)]
            last = max((at for at, kind in enumerate(kinds) if kind in _NEWS), default=len(kinds))
            return _TAKEN_IN in kinds[last:]

        await eventually(seen)

    async def activity_stopped(self) -> None:
        """Wait until an activity has ended because it was cancelled."""

        async def stopped() -> bool:
            return bool(of_type(await events_of(self.handle), _STOPPED))

        await eventually(stopped)

    async def fetch(self, query: str) -> list[dict[str, Any]]:
        """Rows about the case, which is $1."""
        rows = await self.world.session.stores.pool.fetch(query, self.case_id)
        return [dict(row) for row in rows]


@asynccontextmanager
async def worker_with_doors(session: Session, gateways: Gateways) -> AsyncGenerator[Doors]:
    """A worker for many cases, any of which can be held."""
    doors = Doors()
    activities = all_activities(session.stores, gateways)
    async with build_worker(
        session.temporal,
        activities,
        session.settings,
        interceptors=[doors],
        max_concurrent_activities=100,
        max_concurrent_local_activities=100,
        max_concurrent_workflow_tasks=100,
    ):
        try:
            yield doors
        finally:
            doors.open_all()


def play_all(
    request: pytest.FixtureRequest, parameter: str, play: Callable[[Any], Coroutine[Any, Any, T]]
) -> dict[Any, asyncio.Task[T]]:
    """Play what the module's chosen tests are about, side by side; by their parameter."""
    chosen = {
        item.callspec.params[parameter]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
        and parameter in item.callspec.params
    }
    few = asyncio.Semaphore(_AT_A_TIME)

    async def in_turn(act: Any) -> T:
        async with few:
            return await play(act)

    return {act: asyncio.create_task(in_turn(act)) for act in chosen}
