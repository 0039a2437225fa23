"""A case is reset to every point of its past while its first run is in the middle of the refund."""

import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from cases.messages import ApprovalNotice
from starters.session import CaseHandle
from tests.conftest import SmallWorld
from tests.once.conftest import RunHeld
from tests.once.held import MOMENTS, Hold
from tests.once.invariants import Tally
from tests.once.scenes import all_end, begin, tally_of
from tests.workflows.support import events_of, eventually, of_type, request_of

pytestmark = [
    pytest.mark.usefixtures("soon"),
    pytest.mark.timeout(300),
    # What a run asks of an activity that has just ended is nothing to the SDK but a warning.
    pytest.mark.filterwarnings("ignore:Cannot find activity to cancel"),
]

_EXCLUDED = [
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
    ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
]


class Midway:
    """An approved case that stands still in its first run, to be reset again and again."""

    def __init__(
        self, moment: str, world: SmallWorld, hold: Hold, first: WorkflowHandle[Any, Any]
    ) -> None:
        self.moment = moment
        self._world = world
        self._hold = hold
        self._first = first

    @property
    def newest(self) -> CaseHandle:
        """The newest run."""
        return self._world.session.handle(self._first.id)

    async def points(self) -> list[int]:
        """The workflow tasks that the first run has finished."""
        kind = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return [event.event_id for event in of_type(await events_of(self._first), kind)]

    async def reset(self, point: int, excluded: list[int]) -> None:
        """Make a new run from that point of the first one."""
        client = self._world.session.temporal
        await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=self._first.id, run_id=self._first.run_id or ""
                ),
                reason="test",
                workflow_task_finish_event_id=point,
                request_id=str(uuid.uuid4()),
                reset_reapply_exclude_types=excluded,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            )
        )
        if excluded:
            # The decision is on record; only its signal is gone. Any notice wakes the case.
            asked = await request_of(self._world)
            notice = ApprovalNotice(approval_id=asked.approval_id, verdict="approved")
            await self.newest.signal("approval_decided", notice)

    async def let_go(self) -> None:
        """Let all attempts go on, and wait until they have settled."""
        self._hold.let_go()
        await all_end([self.newest])

        async def all_settled() -> bool:
            settled = [line for line in self._hold.said if line.startswith("settled")]
            return len(settled) >= self._hold.reached[self._first.id]

        await eventually(all_settled, within=60)

    async def held(self, times: int) -> None:
        """Wait until so many attempts stand still."""

        async def so_many() -> bool:
            return self._hold.reached[self._first.id] >= times

        await eventually(so_many, within=60)


@pytest.fixture(params=MOMENTS)
async def midway(
    request: pytest.FixtureRequest, world: SmallWorld, client: Client, run_held: RunHeld
) -> AsyncGenerator[Midway]:
    """The first run stands still at that moment of its refund."""
    hold = Hold({f"case_{world.number}": ("refund", request.param)})
    async with run_held(hold):
        handle = await begin("approved", world)
        run_id = (await handle.describe()).run_id
        first = client.get_workflow_handle(handle.id, run_id=run_id)
        yield Midway(request.param, world, hold, first)


@pytest.mark.parametrize(
    "excluded", [[], _EXCLUDED], ids=["signals applied again", "signals left out"]
)
async def test_a_reset_to_any_point_while_the_refund_is_on_its_way_pays_once(
    excluded: list[int], midway: Midway, world: SmallWorld
) -> None:
    """Of the runs, all stand still there; but those that find the refund made go past it."""
    await midway.held(1)
    points = await midway.points()
    for times, point in enumerate(points, 2):
        await midway.reset(point, excluded)
        if midway.moment == "performed":
            await all_end([midway.newest])
        else:
            await midway.held(times)
    await midway.let_go()

    assert len(points) >= 5
    assert await tally_of([world]) == Tally(refunds=1, resets=1, answers=1)
