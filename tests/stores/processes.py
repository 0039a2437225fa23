"""Processes of their own, which tests stop and wake: `python -m tests.stores.processes ...`."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from cases.errors import LeaseLost
from cases.ids import MAIN
from cases.rates import Rate
from stores.hot import RedisHotStore
from stores.leases import RedisLeases, case_lease
from stores.limits import RedisRateLimits
from stores.redis import connect_redis
from tests.stores.support import probe

_ROOT = Path(__file__).parents[2]


async def hold(url: str, case_id: str, ttl_s: str) -> None:
    """Hold a case's lease and tell its token; at each line of input, write with that token."""
    redis = connect_redis(url)
    hot = RedisHotStore(redis)
    async with RedisLeases(redis).holding(case_lease(case_id, MAIN), float(ttl_s)) as held:
        assert held
        _say(held.token)
        for version in range(2, 9):
            await asyncio.to_thread(sys.stdin.readline)
            lost = held.lost
            try:
                update = probe("from the old holder", f"old:{version}")
                done = await hot.merge(case_id, MAIN, [(update, version)], fence=held.token)
            except LeaseLost:
                _say(f"refused {lost}")
            else:
                _say(f"{done} {lost}")


async def take(url: str, name: str, allowed: str, tries: str) -> None:
    """Try to take from a limit of so many a day; tell how often that worked."""
    redis = connect_redis(url)
    limits, rate = RedisRateLimits(redis), Rate(count=int(allowed), per_s=86_400)
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    waits = [await limits.take({name: rate}) for _ in range(int(tries))]
    _say(waits.count(timedelta(0)))
    await redis.aclose()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


class Other:
    """Such a process, seen from the test."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def says(self) -> str:
        assert self._process.stdout
        async with asyncio.timeout(60):
            return (await self._process.stdout.readline()).decode().strip()

    async def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)


@asynccontextmanager
async def other_process(*arguments: object) -> AsyncGenerator[Other]:
    """Run `hold` or `take` with arguments, for the block."""
    command = [sys.executable, "-m", "tests.stores.processes", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=_ROOT)
    try:
        yield Other(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


if __name__ == "__main__":
    main = hold if sys.argv[1] == "hold" else take
    asyncio.run(main(*sys.argv[2:]))
