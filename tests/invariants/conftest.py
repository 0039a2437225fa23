"""A database with all lives in it, made once, and a copy of it for each test to break."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from temporalio.client import Client

from runtime.servers import Servers
from runtime.settings import Settings
from starters.session import Session
from starters.tokens import save_token
from tests.conftest import worker_factory
from tests.faults.checked import assert_invariants
from tests.invariants.broken import Copy
from tests.invariants.lives import live_all
from tests.stores.support import own_database
from workers.composition import open_postgres, open_stores, sandbox_gateways
from workers.preparation import prepare


def _elsewhere(servers: Servers, name: str) -> Servers:
    """The same servers with another database."""
    urls = ("database_url", "owner_database_url", "sandbox_database_url")
    return servers.model_copy(
        update={url: f"{getattr(servers, url).rpartition('/')[0]}/{name}" for url in urls}
    )


@pytest.fixture(scope="session")
async def lived(
    servers: Servers, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[str]:
    """The name of the database in which all lives were lived; nobody is connected to it."""
    name = "invariants"
    own = _elsewhere(servers, name)
    settings = Settings(home=tmp_path_factory.mktemp("lives"))
    async with own_database(servers, name):
        prepared = await prepare(own, schedules=False)
        assert prepared.token
        save_token(settings.home, "lead", prepared.token)
        async with open_stores(own) as stores:
            session = Session(settings, own, stores, client)
            run = worker_factory(client, stores, sandbox_gateways(stores, settings), settings)
            async with run():
                await live_all(session)
            # Now the hot copies are those that the workers made.
            await assert_invariants(stores, settings)
        yield name


@pytest.fixture
async def copy(servers: Servers, lived: str, number: str, tmp_path: Path) -> AsyncGenerator[Copy]:
    """A copy of its own, with the role that runs cases and with the tables' owner."""
    name = f"{lived}_{number}"
    own = _elsewhere(servers, name)
    admin = await asyncpg.connect(servers.owner_database_url)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{lived}"')
        async with AsyncExitStack() as stack:
            stores = await stack.enter_async_context(open_stores(own))
            owner = await stack.enter_async_context(open_postgres(own.owner_database_url))
            yield Copy(own, stores, owner, Settings(home=tmp_path))
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()
