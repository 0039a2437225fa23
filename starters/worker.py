"""`casekeeper worker`: runs cases until it is told to stop."""

import asyncio

from runtime.logs import set_up_logs
from runtime.servers import find_servers
from runtime.settings import read_settings
from starters.terminal import JsonFlag, execute, out
from workers.main import TASK_QUEUE, run_worker, stop_on_signals


def worker(as_json: JsonFlag = False) -> None:
    """Run a worker; SIGTERM or Ctrl-C lets it finish what it is doing."""
    execute(_worker(), as_json, lambda _: out.print("The worker has stopped."))


async def _worker() -> dict[str, str]:
    settings = read_settings()
    set_up_logs(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    await run_worker(find_servers(settings), settings, stop)
    return {"task_queue": TASK_QUEUE, "state": "stopped"}
