"""A worker that is killed when it has sent a notice, and before it says so.

👉 For tests only: the kill is SIGKILL of its own process, at a line that no other way can hit.
"""

import asyncio
import os
import signal
from dataclasses import replace

from cases.effects import EffectIntent, Outcome
from gateways.sandbox.mail import SandboxMail
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.main import build_worker


class DeadlyMail(SandboxMail):
    """Kills the process once it has sent a notice."""

    async def send_notice(self, intent: EffectIntent) -> Outcome:
        await super().send_notice(intent)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


async def main() -> None:
    """Poll until the kill."""
    settings = read_settings()
    servers = find_servers(settings)
    async with open_stores(servers, connections=5) as stores:
        gateways = replace(sandbox_gateways(stores, settings), mail=DeadlyMail(stores.sandbox))
        client = await connect(servers)
        async with build_worker(client, all_activities(stores, gateways), settings):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
