"""Where simulated cases live: real servers, of which Temporal lets each case skip its own days.

The stores are real too: what keeps money safe is written in SQL, so fakes would prove little, and
save little: of a case's CPU, Postgres took an eighth. Only days are simulated: Postgres stays in
the present.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from runtime.embedded.stack import EmbeddedStack
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import CaseHandle, Session
from tests.conftest import prepared_servers
from tests.faults.simulation.faults import Faults, faulty_gateways
from workers.composition import all_activities, open_stores
from workers.main import build_worker
from workflows.case_file import SEARCH_ATTRIBUTES

_SKIPPING = ("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true")
_SLOTS = 100


@dataclass(frozen=True)
class SimulatedWorld:
    """Servers, a worker whose activities fail as planned, and a clock for each case."""

    session: Session
    faults: Faults
    skipper: TimeSkipper

    async def pass_time(self, handle: CaseHandle, span: timedelta) -> None:
        """Let so much time go by for the case; it may end meanwhile."""
        await self.skipper.fast_forward(handle, span)


def _quiet() -> Runtime:
    """Attempts fail as planned: that each is a warning would bury the report."""
    errors = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=errors)))


@asynccontextmanager
async def simulated_world(home: Path) -> AsyncGenerator[SimulatedWorld]:
    """Servers with their data under `home`, for the block."""
    settings = Settings(home=home)
    with EmbeddedStack.start(
        home,
        search_attributes=SEARCH_ATTRIBUTES,
        temporal_args=_SKIPPING,
        temporal_in_memory=True,
    ) as stack:
        servers = await prepared_servers(stack, settings)
        client = await connect(servers, runtime=_quiet())
        skipper = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        async with open_stores(servers, connections=20) as stores:
            session = Session(settings, servers, stores, skipper.client)
            world = SimulatedWorld(session, Faults(), skipper)
            activities = all_activities(stores, faulty_gateways(stores, world.faults))
            async with build_worker(
                skipper.client,
                activities,
                settings,
                interceptors=[world.faults],
                max_concurrent_activities=_SLOTS,
                max_concurrent_local_activities=_SLOTS,
                max_concurrent_workflow_tasks=_SLOTS,
            ):
                yield world
