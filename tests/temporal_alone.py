"""A Temporal of a test's own, where a build can be the current one.

Its drained builds are noticed within seconds, not minutes.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from runtime.servers import Servers
from runtime.temporal import connect, register_search_attributes
from workflows.case_file import SEARCH_ATTRIBUTES

_QUICK = ("VersionDrainageStatusVisibilityGracePeriod", "VersionDrainageStatusRefreshInterval")


@asynccontextmanager
async def temporal_alone(servers: Servers) -> AsyncGenerator[Servers]:
    """The same servers, but for Temporal."""
    async with await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]  upstream
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="error",
        dev_server_extra_args=[
            *(
                part
                for key in _QUICK
                for part in ("--dynamic-config-value", f'matching.wv.{key}="1s"')
            )
        ],
    ) as env:
        address = env.client.service_client.config.target_host
        own = servers.model_copy(
            update={"temporal": {"target_host": address, "namespace": env.client.namespace}}
        )
        await register_search_attributes(await connect(own), SEARCH_ATTRIBUTES)
        yield own
