"""Delivers the outbox for an hour; a schedule starts the next run."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from activities.options import DELIVERY
    from activities.outbox import DeliverTask, OutboxActivities
    from cases.records import Record


class Delivery(Record):
    """How long to deliver, and how often to look. Each run is one row in the Web UI."""

    lasting: timedelta = timedelta(hours=1)
    every: timedelta = timedelta(seconds=5)


# Not pinned: a run that waits for a build that is gone would keep the schedule from the next.
@workflow.defn(name="Deliver", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class DeliverWorkflow:
    """One activity, which goes on with another worker when its own stops or dies."""

    @workflow.run
    async def run(self, delivery: Delivery | None = None) -> int:
        """Deliver; how many were delivered."""
        delivery = delivery or Delivery()
        return await workflow.execute_activity_method(
            OutboxActivities.deliver_outbox,
            DeliverTask(until=workflow.now() + delivery.lasting, every=delivery.every),
            **DELIVERY.normal(),
            summary="Tell cases and approvers what they were not told yet",
        )
