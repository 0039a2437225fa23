"""`casekeeper worker`: runs cases until it is told to stop."""

import asyncio

from runtime.logs import set_up_logs
from runtime.servers import find_servers
from runtime.settings import read_settings
from starters.terminal import attempt
from workers.main import run_worker, stop_on_signals


def worker() -> None:
    """Run a worker; SIGTERM or Ctrl-C lets it finish what it is doing."""
    attempt(lambda: asyncio.run(_worker()), as_json=False)


async def _worker() -> None:
    settings = read_settings()
    set_up_logs(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    await run_worker(find_servers(settings), settings, stop)
