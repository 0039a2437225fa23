"""The activities of the reconciliation: each may be repeated, and goes through what there is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

from activities.errors import heartbeating, temporal_failures
from activities.reconciling.comparing import Comparing
from activities.reconciling.open_effects import OpenEffects
from activities.reconciling.takeover import Takeover
from cases.reconciliation import CompareReport, ReconcileTask, SettleReport, TakeoverReport

#: How far back ended runs are looked for, every time; with a comparison, as far as there are any.
_RECENT = timedelta(days=1)
_EVER = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ReconcileActivities:
    """Settle what is open, take over what was left, compare with the provider."""

    open_effects: OpenEffects
    takeover: Takeover
    #: Makes a comparison, which is used once.
    comparing: Callable[[], Comparing]

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers."""
        return [self.settle_open_effects, self.take_over_ended_runs, self.compare_refunds]

    @activity.defn
    async def settle_open_effects(self, task: ReconcileTask) -> SettleReport:
        """Look at the effects of which the end is not known."""
        async with temporal_failures(), heartbeating():
            return await self.open_effects.settle_all(everything=task.compare_days > 0)

    @activity.defn
    async def take_over_ended_runs(self, task: ReconcileTask) -> TakeoverReport:
        """Bring cases to an end whose run ended before they did."""
        async with temporal_failures(), heartbeating():
            everything = task.compare_days > 0
            since = _EVER if everything else datetime.now(UTC) - _RECENT
            return await self.takeover.take_over_all(since, idle_too=everything)

    @activity.defn
    async def compare_refunds(self, task: ReconcileTask) -> CompareReport:
        """Compare the provider's refunds of some days with the ledger's."""
        async with temporal_failures(), heartbeating():
            return await self.comparing().compare(task.compare_days)
