"""A worker that is killed at the refund: `dying_worker.py before|after`. Composed as the real one.

👉 For tests only: the kill is SIGKILL of its own process, at a line that no other way can hit.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace

from cases.effects import EffectIntent, Outcome
from gateways.sandbox.connection import Pool
from gateways.sandbox.payments import SandboxPayments
from runtime.servers import find_servers
from runtime.settings import read_settings
from runtime.temporal import connect
from workers.composition import all_activities, open_stores, sandbox_gateways
from workers.main import build_worker


class DeadlyPayments(SandboxPayments):
    """Kills the process before the provider is called, or after it has paid."""

    def __init__(self, pool: Pool, *, after: bool) -> None:
        super().__init__(pool)
        self._after = after

    async def refund(self, intent: EffectIntent) -> Outcome:
        if self._after:
            await super().refund(intent)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


async def main(moment: str) -> None:
    """Poll until the kill."""
    settings = read_settings()
    servers = find_servers(settings)
    async with open_stores(servers, connections=10) as stores:
        payments = DeadlyPayments(stores.sandbox, after=moment == "after")
        gateways = replace(sandbox_gateways(stores, settings), payments=payments)
        client = await connect(servers)
        async with build_worker(client, all_activities(stores, gateways), settings):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
