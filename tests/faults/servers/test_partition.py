"""Workers in a network of their own lose the servers, without a word, and find them again."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SmallWorld
from tests.e2e.shell import PROGRAMS, ROOT, environment
from tests.faults.checked import checked_tally
from tests.faults.servers.conftest import some_of
from tests.faults.servers.own import OwnServers, relays_to, session_of
from tests.once.invariants import Tally
from tests.workflows.support import BOTH, eventually

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None,
        reason="only root on Linux makes networks, with the program `ip`",
    ),
    pytest.mark.timeout(300),
]

_CASES = 10
#: Of a block that is kept for tests of networks, and so is nobody's network.
_HERE, _THERE = "198.18.77.1", "198.18.77.2"
_PATIENCE_S = 120.0


class Network:
    """A network namespace, and the one cable to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._cable = f"{name}-a"

    def make(self) -> None:
        far = f"{self.name}-b"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", self.name)
        _ip("address", "add", f"{_HERE}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        for command in (
            ("address", "add", f"{_THERE}/30", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self.name, *command)

    def drop(self) -> None:
        """Let every packet vanish, both ways; nobody is told."""
        _ip("-n", self.name, "link", "set", f"{self.name}-b", "down")

    def heal(self) -> None:
        _ip("-n", self.name, "link", "set", f"{self.name}-b", "up")

    def remove(self) -> None:
        _ip("netns", "delete", self.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def network() -> Generator[Network]:
    made = Network(f"ck{os.getpid()}")
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no networks: {error.stderr.decode().strip()}")
    yield made
    made.remove()


@contextmanager
def _worker(network: Network, log: Path, **variables: str) -> Generator[None]:
    """`casekeeper worker` behind the cable."""
    command = ["ip", "netns", "exec", network.name, str(PROGRAMS / "casekeeper"), "worker"]
    given = environment(variables)
    with log.open("wb") as out:
        popen = subprocess.Popen(command, cwd=ROOT, env=given, stdout=out, stderr=out)
    try:
        yield
    finally:
        popen.send_signal(signal.SIGKILL)
        popen.wait()


@pytest.mark.parametrize("seconds", some_of(("5", "15", "40"), "15"))
async def test_cases_end_after_a_partition(
    seconds: str, own: OwnServers, network: Network, number: str, tmp_path: Path
) -> None:
    settings = own.settings
    async with (
        relays_to(own, host=_HERE) as relays,
        session_of(own.direct, settings, connections=10) as near,
    ):
        far = own.through(relays, _HERE)
        variables = {
            "TEMPORAL_ADDRESS": far.temporal_address,
            "DATABASE_URL": far.database_url,
            "REDIS_URL": far.redis_url,
            "CASEKEEPER_HOME": str(settings.home),
            "CASEKEEPER_CUSTOMER_KEYS": str(far.customer_keys),
        }
        worlds = [SmallWorld(near, f"{number}-{place}") for place in range(_CASES)]
        for world in worlds:
            await world.twins()

        async def some_are_paid() -> bool:
            return sum([len(await world.refunds()) for world in worlds]) >= 2

        with _worker(network, tmp_path / "worker.log", **variables):
            handles = [await world.start(BOTH) for world in worlds]
            await eventually(some_are_paid, within=_PATIENCE_S)
            network.drop()
            await asyncio.sleep(float(seconds))
            network.heal()
            async with asyncio.timeout(_PATIENCE_S):
                await asyncio.gather(*(handle.result() for handle in handles))

        assert await checked_tally(worlds) == Tally(refunds=_CASES, resets=_CASES, answers=_CASES)
