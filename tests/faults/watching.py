"""Watches what a worker does, and kills its process at one of the kill points."""

import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput

from stores.postgres import Pool
from stores.queries import queries
from stores.redis import lua
from tests.faults.kill_points import AFTER, BEFORE, PLACES, TEMPORAL_WRITES, Point, scripts
from workers.composition import Gateways

#: The death of a worker in the middle of a workflow task is noticed by Temporal so soon.
TASK_TIMEOUT = timedelta(seconds=3)

T = TypeVar("T")

_NAME_OF = {text: f"postgres.{name}" for name, text in queries().items()}
_SCRIPTS = {sha1(lua(name).encode()).hexdigest(): name for name in scripts()}  # noqa: S324  as Redis names them


class Watch:
    """Writes down each point that is passed, and dies at the fatal one, the first time."""

    def __init__(self, log: Path, fatal: str = "") -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._fatal = fatal

    def passes(self, point: str) -> None:
        """Be there; what was written before stays, whatever becomes of the process."""
        os.write(self._log, f"{point}\n".encode())
        if point == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, place: str) -> Generator[None]:
        """The pair of a place; what does not go well has no end."""
        if place not in PLACES:
            yield
            return
        self.passes(str(Point(place, BEFORE)))
        yield
        self.passes(str(Point(place, AFTER)))

    def pool(self, pool: Pool) -> Pool:
        """A pool whose statements are watched."""
        return cast("Pool", _WatchedPool(pool, self))

    def redis(self, redis: Redis) -> None:
        """Watch the commands of that client."""
        run = cast("Any", redis).execute_command

        async def execute_command(*args: Any, **options: Any) -> Any:
            command = str(args[0])
            name = _SCRIPTS.get(str(args[1]), "") if command == "EVALSHA" else command
            with self.around(f"redis.{name}"):
                return await run(*args, **options)

        redis.execute_command = execute_command  # type: ignore[method-assign]

    def gateways(self, gateways: Gateways) -> Gateways:
        """The gateways, their effects watched."""
        names = ("payments", "accounts", "mail", "model")
        watched: dict[str, Any] = {n: _WatchedPort(getattr(gateways, n), n, self) for n in names}
        return replace(gateways, **watched)

    def temporal(self) -> Interceptor:
        """For a client whose calls are to be watched."""
        return _WatchedTemporal(self)


class _WatchedPool:
    def __init__(self, pool: Pool, watch: Watch) -> None:
        self._pool = pool
        self._watch = watch

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncGenerator["_WatchedConnection"]:
        async with self._pool.acquire(**options) as connection:
            yield _WatchedConnection(connection, self._watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


class _WatchedConnection:
    """The two methods through which `stores.postgres` runs every named query."""

    def __init__(self, connection: Any, watch: Watch) -> None:
        self._connection = connection
        self._watch = watch

    async def fetch(self, sql: str, *args: Any) -> Any:
        with self._watch.around(_NAME_OF[sql]):
            return await self._connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> Any:
        with self._watch.around(_NAME_OF[sql]):
            return await self._connection.fetchrow(sql, *args)


class _WatchedPort:
    """A gateway; what is no effect is as it was."""

    def __init__(self, inner: Any, name: str, watch: Watch) -> None:
        self._inner = inner
        self._name = name
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        method: Any = getattr(self._inner, name)
        place = f"{self._name}.{name}"
        if place not in PLACES:
            return method

        async def watched(*args: Any) -> Any:
            with self._watch.around(place):
                return await method(*args)

        return watched


class _WatchedTemporal(Interceptor):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  its name upstream
        inner = _Hasty(next)
        for name in TEMPORAL_WRITES:
            setattr(inner, name, self._watched(name, getattr(inner, name)))
        return inner

    def _watched(
        self, name: str, method: Callable[[Any], Awaitable[T]]
    ) -> Callable[[Any], Awaitable[T]]:
        async def watched(input: Any) -> T:  # noqa: A002  its name upstream
            with self._watch.around(f"temporal.{name}"):
                return await method(input)

        return watched


class _Hasty(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> Any:  # noqa: A002  its name upstream
        input.task_timeout = TASK_TIMEOUT
        return await super().start_workflow(input)
