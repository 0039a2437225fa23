"""A server is killed, frozen, restarted or cut off while cases stand at every step."""

from collections.abc import Mapping, Sequence

import pytest

from runtime.embedded.stack import ServerName
from tests.faults.servers.conftest import some_of
from tests.faults.servers.own import OwnServers
from tests.faults.servers.stage import all_survive
from tests.faults.servers.strikes import STRIKES, Strike

pytestmark = pytest.mark.timeout(300)

_SERVERS: Sequence[ServerName] = ("postgres", "temporal", "valkey")
_FAULTS: Mapping[str, tuple[ServerName, Strike]] = {
    f"{server}-{name}": (server, strike) for server in _SERVERS for name, strike in STRIKES.items()
}
_IN_CI = ("postgres-killed", "postgres-frozen", "temporal-killed", "valkey-killed")


@pytest.mark.parametrize("fault", some_of(_FAULTS, *_IN_CI))
async def test_cases_at_every_step_survive_what_befalls_a_server(
    fault: str, own: OwnServers
) -> None:
    await all_survive(own, *_FAULTS[fault])
