"""Valkey is killed, frozen, restarted or cut off while cases stand at every step."""

import pytest

from tests.faults.servers.conftest import some_of
from tests.faults.servers.own import OwnServers
from tests.faults.servers.stage import all_survive
from tests.faults.servers.strikes import STRIKES

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("strike", some_of(STRIKES, "killed"))
async def test_cases_at_every_step_survive_what_befalls_valkey(
    strike: str, own: OwnServers
) -> None:
    await all_survive(own, "valkey", STRIKES[strike])
