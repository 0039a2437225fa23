"""Servers of a test's own, each behind a relay: to be killed, frozen, restarted and cut off."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runtime.embedded.ports import LOOPBACK
from runtime.embedded.stack import EmbeddedStack, ServerName
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import Session
from tests.conftest import prepared_servers
from tests.faults.servers.relay import Losses, Relay, relayed
from workers.composition import open_stores
from workflows.case_file import SEARCH_ATTRIBUTES

NAMES: tuple[ServerName, ...] = ("postgres", "temporal", "valkey")


class OwnServers:
    """A stack and what befalls its servers. Clients of the tests reach them past the relays."""

    def __init__(self, stack: EmbeddedStack, direct: Servers, settings: Settings) -> None:
        self.stack = stack
        self.direct = direct
        self.settings = settings

    def ports(self) -> Mapping[ServerName, int]:
        """Where each server itself listens."""
        addresses = self.stack.addresses
        found = {
            "postgres": urlsplit(addresses.database_url).port,
            "temporal": urlsplit(f"//{addresses.temporal_address}").port,
            "valkey": urlsplit(addresses.redis_url).port,
        }
        return {name: found[name] or 0 for name in NAMES}

    def through(self, relays: Mapping[ServerName, Relay], host: str = LOOPBACK) -> Servers:
        """The same servers by the relays' addresses; the outside is in the same Postgres."""
        ports = self.ports()

        def moved(url: str, name: ServerName) -> str:
            return url.replace(f"{LOOPBACK}:{ports[name]}", f"{host}:{relays[name].port}")

        address = f"{host}:{relays['temporal'].port}"
        update: dict[str, Any] = {
            "database_url": moved(self.direct.database_url, "postgres"),
            "sandbox_database_url": moved(self.direct.database_url, "postgres"),
            "redis_url": moved(self.direct.redis_url, "valkey"),
            "temporal": {**self.direct.temporal, "target_host": address},
        }
        return self.direct.model_copy(update=update)

    def send(self, name: ServerName, number: signal.Signals) -> None:
        """Send a signal to the server and to all its processes."""
        send(self.stack.server_pids[name], number)

    async def restart(self, name: ServerName) -> None:
        """End the server if it runs, and start it on its port."""
        await asyncio.to_thread(self.stack.restart, name)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started."""
    for one in (pid, *descendants(pid)):
        with suppress(ProcessLookupError):
            os.kill(one, number)


def descendants(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in children for found in (int(child), *descendants(int(child)))]


@asynccontextmanager
async def own_servers(home: Path) -> AsyncGenerator[OwnServers]:
    """A stack of its own for the block."""
    stack = await asyncio.to_thread(_start, home)
    try:
        settings = Settings(home=home)
        yield OwnServers(stack, await prepared_servers(stack, settings), settings)
    finally:
        for name in NAMES:  # one that is frozen would not end when it is asked to
            send(stack.server_pids[name], signal.SIGCONT)
        await asyncio.to_thread(stack.stop)


def _start(home: Path) -> EmbeddedStack:
    return EmbeddedStack.start(home, search_attributes=SEARCH_ATTRIBUTES)


@asynccontextmanager
async def relays_to(
    own: OwnServers, losses: Losses | None = None, host: str = LOOPBACK
) -> AsyncGenerator[Mapping[ServerName, Relay]]:
    """A relay to each of the servers; the losses are those of Postgres."""
    async with AsyncExitStack() as open_relays:
        yield {
            name: await open_relays.enter_async_context(
                relayed(port, losses if name == "postgres" else None, host)
            )
            for name, port in own.ports().items()
        }


@asynccontextmanager
async def session_of(
    servers: Servers, settings: Settings, connections: int
) -> AsyncGenerator[Session]:
    """What a worker or a command of these servers works with."""
    client = await connect(servers)
    async with open_stores(servers, connections=connections) as stores:
        yield Session(settings, servers, stores, client)
