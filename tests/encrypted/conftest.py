"""Servers as the reconciliation's tests have them, and a file of payload keys in their home."""

import pytest

from runtime.embedded.stack import EmbeddedStack
from runtime.keys import KEY_FILE, ensure_keys
from runtime.servers import Servers
from runtime.settings import Settings
from tests.conftest import prepared_servers
from tests.reconciliation import conftest as own

home, stack, settings, stores, owner = own.home, own.stack, own.settings, own.stores, own.owner
client, gateways, session, run_worker = own.client, own.gateways, own.session, own.run_worker
casekeeper = own.casekeeper


@pytest.fixture(scope="module")
async def servers(stack: EmbeddedStack, settings: Settings) -> Servers:
    keys = ensure_keys(settings.home / KEY_FILE)
    prepared = await prepared_servers(stack, settings)
    return prepared.model_copy(update={"payload_keys": keys})
