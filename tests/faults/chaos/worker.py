"""A worker of chaos, composed as the real one: `python -m tests.faults.chaos.worker CALLS`.

It appends a byte to the file CALLS for each call of its model, before the call is made.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cases.answers import AnswerFacts
from cases.model_ports import OpeningReply, UnderstandingReply
from gateways.offline.model import OfflineModel
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.main import build_worker


class CountedModel:
    """The offline model, whose calls are counted across processes."""

    def __init__(self, calls: Path) -> None:
        self._calls = calls
        self._inner = OfflineModel()

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        self._count()
        return await self._inner.understand(messages)

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        self._count()
        return await self._inner.pick_opening(messages, facts)

    def _count(self) -> None:
        with self._calls.open("ab") as file:
            file.write(b".")


async def main(calls: Path) -> None:
    """Poll until the kill."""
    settings = read_settings()
    servers = find_servers(settings)
    client = await connect(servers)
    async with open_stores(servers, connections=settings.activity_slots) as stores:
        gateways = replace(sandbox_gateways(stores, settings), model=CountedModel(calls))
        async with build_worker(client, all_activities(stores, gateways), settings):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
