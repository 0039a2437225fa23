"""What runs by the clock, as Temporal Schedules: the delivery of the outbox and the reconciler."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workers.main import TASK_QUEUE


@dataclass(frozen=True)
class Routine:
    """A workflow that is started again and again, one run at a time."""

    name: str
    workflow: str
    summary: str
    note: str
    spec: ScheduleSpec
    #: A run that is stuck for so long makes room for the next.
    longest: timedelta
    #: After an outage a start that was missed for longer is left out.
    catch_up: timedelta
    #: The workflow's input.
    task: dict[str, int] = field(default_factory=dict[str, int])
    at_once: bool = False

    @property
    def schedule_id(self) -> str:
        """The schedule's id, and how the ids of its runs begin."""
        return f"casekeeper-{self.name}"

    def schedule(self) -> Schedule:
        """The schedule as Temporal is to have it."""
        return Schedule(
            action=ScheduleActionStartWorkflow(
                self.workflow,
                self.task,
                id=self.schedule_id,
                task_queue=TASK_QUEUE,
                execution_timeout=self.longest,
                static_summary=self.summary,
                static_details=self.note,
            ),
            spec=self.spec,
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=self.catch_up),
            state=ScheduleState(note=self.note),
        )


#: A run lasts for an hour; the interval is how soon the next one starts after it, or after its end
#: by accident.
DELIVER = Routine(
    name="deliver",
    workflow="Deliver",
    summary="Deliver the outbox",
    note="Tells cases of decisions whose signal was lost, and approvers of requests.",
    spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(seconds=30))]),
    longest=timedelta(hours=2),
    catch_up=timedelta(minutes=1),
    at_once=True,
)
RECONCILE = Routine(
    name="reconcile",
    workflow="Reconcile",
    summary="Finish what is open",
    note="Looks for effects without an outcome and for cases whose run has ended.",
    spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(minutes=5))]),
    longest=timedelta(hours=1),
    catch_up=timedelta(minutes=5),
    task={"compare_days": 0},
)
COMPARE = Routine(
    name="compare",
    workflow="Reconcile",
    summary="Compare with the payment provider",
    note="Compares the refunds of the last two days with those that the provider lists.",
    spec=ScheduleSpec(
        calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)])], jitter=timedelta(minutes=10)
    ),
    longest=timedelta(hours=6),
    catch_up=timedelta(hours=12),
    task={"compare_days": 2},
)
ROUTINES = (DELIVER, RECONCILE, COMPARE)


async def ensure_schedules(client: Client, routines: Sequence[Routine] = ROUTINES) -> None:
    """Make the schedules, or bring them up to this code. One that was paused stays so."""
    for routine in routines:
        try:
            await client.create_schedule(
                routine.schedule_id, routine.schedule(), trigger_immediately=routine.at_once
            )
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(routine.schedule_id).update(_update_to(routine))


def _update_to(routine: Routine) -> Callable[[ScheduleUpdateInput], ScheduleUpdate]:
    def update(found: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = routine.schedule()
        # Whoever paused it said why: neither is ours to undo.
        schedule.state = found.description.schedule.state
        return ScheduleUpdate(schedule)

    return update
