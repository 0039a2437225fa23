"""What befalls one server while cases stand at every step; each strike ends with it back."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from runtime.embedded.stack import ServerName
from tests.faults.servers.own import OwnServers
from tests.faults.servers.relay import Relay

#: Longer than one statement, one local activity's attempt and one exchange with Redis may take.
_AWAY_S = 6.0
_FAR_S = 0.1


@dataclass(frozen=True)
class Struck:
    """The server that is struck, and the relay before it."""

    own: OwnServers
    name: ServerName
    relay: Relay


Let = Callable[[], None]
Strike = Callable[[Struck, Let], Awaitable[None]]


async def killed(struck: Struck, let_go: Let) -> None:
    """SIGKILL of all its processes; it is started again a second later."""
    struck.own.send(struck.name, signal.SIGKILL)
    let_go()
    await asyncio.sleep(1)
    await struck.own.restart(struck.name)


async def restarted(struck: Struck, let_go: Let) -> None:
    """As for an upgrade: it is asked to end, and started again."""
    let_go()
    await struck.own.restart(struck.name)


async def frozen(struck: Struck, let_go: Let) -> None:
    """SIGSTOP of all its processes, and SIGCONT."""
    struck.own.send(struck.name, signal.SIGSTOP)
    let_go()
    await asyncio.sleep(_AWAY_S)
    struck.own.send(struck.name, signal.SIGCONT)


async def refused(struck: Struck, let_go: Let) -> None:
    """Its connections are reset and new ones refused."""
    struck.relay.refuse()
    let_go()
    await asyncio.sleep(2)
    await struck.relay.listen()


async def half_open(struck: Struck, let_go: Let) -> None:
    """Its connections stand and carry nothing, for ever; new ones do so for some seconds."""
    struck.relay.go_deaf()
    let_go()
    await asyncio.sleep(_AWAY_S)
    struck.relay.hear()


async def delayed(struck: Struck, let_go: Let) -> None:
    """It becomes far away, and stays so until the cases have ended."""
    struck.relay.delay_s = _FAR_S
    let_go()


STRIKES: Mapping[str, Strike] = {
    strike.__name__: strike for strike in (killed, restarted, frozen, refused, half_open, delayed)
}
