"""A worker process that is asked to stop ends as any program: with 0.

The SDK may abort a process (134) that leaves at once after its worker has closed; the command
settles first.
"""

import asyncio
import os
import sys
from pathlib import Path

from runtime.servers import Servers

#: Several, as what went wrong here went wrong one time in five.
_PROCESSES = 4


async def _end_of_a_worker(environment: dict[str, str]) -> int | None:
    worker = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "casekeeper"),
        "worker",
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert worker.stderr is not None
    async with asyncio.timeout(60):
        while b"worker is polling" not in await worker.stderr.readline():
            assert worker.returncode is None
        worker.terminate()
        await worker.communicate()
    return worker.returncode


async def test_a_worker_that_is_asked_to_stop_ends_with_zero_every_time(servers: Servers) -> None:
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": servers.temporal_address,
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
    }

    ends = [await _end_of_a_worker(environment) for _ in range(_PROCESSES)]

    assert ends == [0] * _PROCESSES
