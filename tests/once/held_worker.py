"""A worker of its own process whose effects stand still, to be killed or frozen there.

`python -m tests.once.held_worker CASE=KIND:MOMENT ...` says `held CASE`, and lets all go at a line
of input. With `--activities` it runs no workflows.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from tests.once.held import Hold, held_activities, noticed_soon
from workers.composition import open_stores, sandbox_gateways
from workers.main import build_worker


class TellingHold(Hold):
    """Tells whoever started this process."""

    def say(self, words: str) -> None:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


async def main(arguments: list[str]) -> None:
    """Poll until the kill."""
    options: dict[str, Any] = {"sticky_queue_schedule_to_start_timeout": timedelta(seconds=1)}
    if arguments[0] == "--activities":
        options["workflows"] = []
        options["max_concurrent_activity_task_polls"] = 2
        arguments = arguments[1:]
    wanted: dict[str, tuple[str, str]] = {}
    for argument in arguments:
        case_id, _, where = argument.partition("=")
        kind, _, moment = where.partition(":")
        wanted[case_id] = (kind, moment)
    settings = read_settings()
    servers = find_servers(settings)
    async with open_stores(servers, connections=30) as stores:
        hold = TellingHold(wanted)
        activities = held_activities(stores, sandbox_gateways(stores, settings), hold)
        client = await connect(servers)
        options["max_concurrent_activities"] = 60
        async with build_worker(client, activities, settings, **options):
            hold.say("polling")
            await asyncio.to_thread(sys.stdin.readline)
            hold.let_go()
            await asyncio.Event().wait()


if __name__ == "__main__":
    with noticed_soon():
        asyncio.run(main(sys.argv[1:]))
