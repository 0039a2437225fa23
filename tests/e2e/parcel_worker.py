"""A worker whose model finds that a word calls for an agent: `parcel_worker.py CASE...`.

It runs until the cases have ended, and prints where its code is from and how they ended.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import activities
from cases.model_ports import UnderstandingReply
from gateways.offline.model import OfflineModel
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.main import build_worker


class ParcelModel(OfflineModel):
    """As a model that is told of the topic: whoever writes of a parcel needs shipping."""

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        reply = await super().understand(messages)
        parcel = any("parcel" in text for text in messages)
        needs = reply.understanding.needs | ({"shipping"} if parcel else set[str]())
        understanding = reply.understanding.model_copy(update={"needs": needs})
        return reply.model_copy(update={"understanding": understanding})


async def main(case_ids: list[str]) -> None:
    """Work until the cases have ended."""
    settings = read_settings()
    servers = find_servers(settings)
    async with open_stores(servers, connections=10) as stores:
        gateways = replace(sandbox_gateways(stores, settings), model=ParcelModel())
        client = await connect(servers)
        async with build_worker(client, all_activities(stores, gateways), settings):
            for case_id in case_ids:
                await client.get_workflow_handle(case_id).result()
        states = [await stores.cases.load(case_id, "main") for case_id in case_ids]
    where = str(Path(activities.__file__).parents[1])
    bodies = [state.model_dump(mode="json") for state in states]
    sys.stdout.write(json.dumps({"code": where, "states": bodies}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
