"""Starts the embedded servers and makes them ready for cases."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cases.records import Record
from runtime.embedded.stack import EmbeddedStack, StackDied
from runtime.keys import CUSTOMER_KEY_FILE, KEY_FILE, ensure_keys
from runtime.servers import Servers, of_stack
from runtime.settings import Settings
from runtime.temporal import connect, keep_closed_runs
from starters.migrate import make_ready
from workers.main import run_worker
from workflows.case_file import SEARCH_ATTRIBUTES

#: How long the embedded Temporal keeps closed workflows, in days.
_RETENTION_DAYS = 90


class Running(Record):
    """What was started."""

    servers: Servers
    token_file: str | None


@asynccontextmanager
async def embedded_stack(
    settings: Settings, home: Path, *, worker: bool, report: Callable[[str], None]
) -> AsyncGenerator[Running]:
    """Servers, schema and, if wanted, a worker in this process; all end with the block.

    Raises StackAlreadyRunning, StackFailed; StackDied in the block's task.
    """
    stack = await asyncio.to_thread(
        EmbeddedStack.start, home, search_attributes=SEARCH_ATTRIBUTES, report=report
    )
    try:
        keys = ensure_keys(settings.payload_keys or home / KEY_FILE)
        customers = ensure_keys(settings.customer_keys or home / CUSTOMER_KEY_FILE)
        servers = of_stack(settings, stack.addresses, keys, customers)
        ready = await make_ready(servers, home)
        await keep_closed_runs(await connect(servers), _RETENTION_DAYS)
        async with _watched(stack), AsyncExitStack() as beside:
            if worker:
                # Without a build: nobody would make it the current one, and no case would begin.
                unversioned = settings.model_copy(update={"build_id": ""})
                await beside.enter_async_context(worker_beside(servers, unversioned))
                report("The worker is ready")
            yield Running(servers=servers, token_file=ready["token_file"])
    finally:
        await asyncio.to_thread(stack.stop)


@asynccontextmanager
async def worker_beside(servers: Servers, settings: Settings) -> AsyncGenerator[None]:
    """A worker that polls as long as the block runs; raises what kept it from starting."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_worker(servers, settings, stop, ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if task.done():
            task.result()
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def _watched(stack: EmbeddedStack) -> AsyncGenerator[None]:
    """End the block's task when a server dies: nothing works without it."""
    owner = asyncio.current_task()
    died: list[str] = []

    async def watch() -> None:
        while not (problem := stack.failed()):  # noqa: ASYNC110  it is another process's state
            await asyncio.sleep(0.5)
        died.append(problem)
        if owner:
            owner.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if died:
            raise StackDied(died[0]) from None
        raise
    finally:
        watcher.cancel()
