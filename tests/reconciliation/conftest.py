"""Servers of the reconciliation's own: it looks at everything that there is."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from temporalio.client import Client

from runtime.embedded.stack import EmbeddedStack
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import Session
from stores.postgres import Pool
from tests.conftest import WorkerFactory, prepared_servers, worker_factory
from tests.reconciliation.support import Books
from tests.starters import conftest as starters
from workers.composition import (
    Gateways,
    Stores,
    open_postgres,
    open_stores,
    sandbox_gateways,
)
from workflows.case_file import SEARCH_ATTRIBUTES

#: The commands of `casekeeper`, on these servers.
casekeeper = starters.casekeeper


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def stack(home: Path) -> Generator[EmbeddedStack]:
    """Temporal, Postgres and Valkey of one test module."""
    with EmbeddedStack.start(home, search_attributes=SEARCH_ATTRIBUTES) as running:
        yield running


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture(scope="module")
async def servers(stack: EmbeddedStack, settings: Settings) -> Servers:
    return await prepared_servers(stack, settings)


@pytest.fixture(scope="module")
async def stores(servers: Servers) -> AsyncGenerator[Stores]:
    async with open_stores(servers, connections=10) as opened:
        yield opened


@pytest.fixture(scope="module")
async def owner(servers: Servers) -> AsyncGenerator[Pool]:
    async with open_postgres(servers.owner_database_url) as pool:
        yield pool


@pytest.fixture(scope="module")
async def client(servers: Servers) -> Client:
    return await connect(servers)


@pytest.fixture(scope="module")
def gateways(stores: Stores, settings: Settings) -> Gateways:
    return sandbox_gateways(stores, settings)


@pytest.fixture(scope="module")
async def session(settings: Settings, servers: Servers, stores: Stores, client: Client) -> Session:
    return Session(settings, servers, stores, client)


@pytest.fixture(scope="module")
def run_worker(
    client: Client, stores: Stores, gateways: Gateways, settings: Settings
) -> WorkerFactory:
    return worker_factory(client, stores, gateways, settings)


@pytest.fixture
def books(session: Session, owner: Pool, gateways: Gateways, run_worker: WorkerFactory) -> Books:
    """Both sides, to be filled and compared."""
    return Books(session, owner, gateways, run_worker)
