"""Where a run of chaos is played: servers and workers that are killed under load."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtime.embedded.stack import ServerName
from starters.session import Session
from tests.faults.chaos.outcome import Outcome, Trail, outcome_of, trails_of
from tests.faults.chaos.people import PATIENCE_S, all_ended, approve, load_world, start, until
from tests.faults.chaos.plan import Fault, Kind, Plan, PlannedCase
from tests.faults.chaos.processes import Workers
from tests.faults.servers.own import OwnServers, own_servers, session_of
from workers.schedules import ensure_schedules

_KILLED: Mapping[Kind, ServerName] = {
    Kind.TEMPORAL_KILLED: "temporal",
    Kind.POSTGRES_KILLED: "postgres",
    Kind.VALKEY_KILLED: "valkey",
}


@dataclass(frozen=True)
class Arena:
    """Servers, workers, and a session for whoever starts and approves cases."""

    own: OwnServers
    session: Session
    workers: Workers
    #: The trail of an undisturbed case, by its amount.
    calm: Mapping[int, Trail]

    async def play(self, plan: Plan) -> Outcome:
        """Cases and faults as planned; then everything is let run to its end."""
        before = self.workers.calls_made()
        await load_world(self.session, plan.cases)
        began = time.monotonic()
        starting = [asyncio.create_task(start(self.session, one, began)) for one in plan.cases]
        for fault in plan.faults:
            await until(began + fault.at_s)
            await self._strike(fault)
        await asyncio.wait_for(asyncio.gather(*starting), PATIENCE_S)
        await all_ended(self.session, plan.cases)
        made = self.workers.calls_made() - before
        took = time.monotonic() - began
        return await outcome_of(self.session, plan.cases, self.calm, calls=made, seconds=took)

    async def _strike(self, fault: Fault) -> None:
        if fault.kind is Kind.WORKER_KILLED:
            self.workers.kill_oldest()
        elif fault.kind is Kind.VALKEY_FLUSHED:
            with suppress(Exception):
                untyped: Any = self.session.stores.redis
                await untyped.flushall()
        elif fault.kind is Kind.POSTGRES_FROZEN:
            self.own.send("postgres", signal.SIGSTOP)
            await asyncio.sleep(fault.lasts_s)
            self.own.send("postgres", signal.SIGCONT)
        else:
            self.own.send(_KILLED[fault.kind], signal.SIGKILL)
            await self.own.restart(_KILLED[fault.kind])


@asynccontextmanager
async def arena(home: Path) -> AsyncGenerator[Arena]:
    """Everything for runs of chaos, and what an undisturbed case of each kind leaves."""
    workers = Workers(home)
    async with (
        own_servers(home) as own,
        session_of(own.direct, own.settings, connections=10) as session,
    ):
        await ensure_schedules(session.temporal)
        beside = [asyncio.create_task(workers.keep()), asyncio.create_task(approve(session))]
        try:
            ready = Arena(own, session, workers, {})
            yield replace(ready, calm=await _calm(session))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _calm(session: Session) -> Mapping[int, Trail]:
    small, big = (PlannedCase(f"calm-{amount}", 0, amount, ()) for amount in (4999, 120_000))
    cases = (small, big)
    await load_world(session, cases)
    await asyncio.gather(*(start(session, case, time.monotonic()) for case in cases))
    await all_ended(session, cases)
    trails = await trails_of(session, cases)
    return {case.amount_minor: trails[case.case_id] for case in cases}
