"""The export of signed heads, by hand or beside a running worker.

It takes no lease: several may run at once, and a head that two of them write is one line more.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from runtime.servers import home_in_use
from runtime.settings import Settings
from stores.audit import PostgresAudit
from stores.heads import HeadsFiles, HeadsWriter

_log = logging.getLogger(__name__)

#: Rows become visible with their transaction's end, a little after their time; no statement takes
#: as long as this.
_OVERLAP = timedelta(seconds=30)
#: How long one export may hold up the end of a worker, in seconds.
_PATIENCE_S = 5.0


def heads_files(settings: Settings) -> HeadsFiles:
    """Where the heads and their keys lie: beside the data, unless the settings say otherwise."""
    folder = home_in_use(settings) / "audit"
    return HeadsFiles(
        heads=settings.audit_heads or folder / "heads.jsonl",
        signing_key=settings.audit_key or folder / "signing-key.pem",
    )


async def export_heads(audit: PostgresAudit, files: HeadsFiles, *, everything: bool = False) -> int:
    """Sign where the chains end that grew since the last export; how many heads were written.

    With `everything`, all chains are looked at. Raises HeadsUnusable, UnusableKey, OSError and what
    the database raises.
    """
    writer = HeadsWriter(files)
    newest = None if everything else await asyncio.to_thread(writer.newest_time)
    known = await asyncio.to_thread(writer.newest_heads) if everything else {}
    written = 0
    async for at, heads in audit.heads(newest and newest - _OVERLAP):
        written += await asyncio.to_thread(writer.append, at, heads, known)
    return written


@asynccontextmanager
async def exporting(audit: PostgresAudit, settings: Settings) -> AsyncGenerator[None]:
    """Export every so often while the block runs, and once after it. It never fails the block."""
    stop = asyncio.Event()
    exports = _export_until(stop, audit, heads_files(settings), settings.audit_every_s)
    task = asyncio.create_task(exports)
    try:
        yield
    finally:
        stop.set()
        await task


async def _export_until(
    stop: asyncio.Event, audit: PostgresAudit, files: HeadsFiles, every_s: float
) -> None:
    problem = ""
    last = False
    while not last:
        last = stop.is_set()  # so that what happened before the stop is in the last export
        problem = await _try_to_export(audit, files, problem)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every_s)


async def _try_to_export(audit: PostgresAudit, files: HeadsFiles, said: str) -> str:
    """Export; what went wrong, which is said once for as long as it lasts."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            written = await export_heads(audit, files)
    except Exception as error:  # noqa: BLE001  cases go on whatever becomes of the heads
        problem = f"{type(error).__name__}: {error}"
        if problem != said:
            _log.warning("heads were not signed; it is tried again", extra={"problem": problem})
        return problem
    if written:
        _log.debug("heads were signed", extra={"heads": written})
    return ""
