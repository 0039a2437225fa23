"""What all tests share: one stack of real servers, its stores, and small worlds."""

import asyncio
import dataclasses
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from cases.state import CaseState
from gateways.sandbox.world import World, load
from runtime.embedded.stack import EmbeddedStack
from runtime.keys import CUSTOMER_KEY_FILE, ensure_keys
from runtime.servers import Servers, of_stack
from runtime.settings import Settings
from runtime.temporal import connect
from starters.session import CaseHandle, Session
from starters.start import NewCase, start_case
from starters.tokens import save_token
from stores.approvers import PostgresApprovers
from stores.postgres import Pool
from workers.composition import (
    Gateways,
    Stores,
    all_activities,
    open_postgres,
    open_stores,
    sandbox_gateways,
)
from workers.main import build_worker
from workers.preparation import prepare
from workflows.case_file import SEARCH_ATTRIBUTES

WorkerFactory = Callable[..., AbstractAsyncContextManager[Worker]]

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _no_servers_of_the_environment() -> None:
    """Tests use their own servers only, whatever the shell names."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "CASEKEEPER_")) or name.endswith(
            ("DATABASE_URL", "REDIS_URL")
        ):
            del os.environ[name]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CASEKEEPER_HOME of the session's stack."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def stack(home: Path) -> Generator[EmbeddedStack]:
    """Temporal, Postgres and Valkey, shared by the whole session."""
    with EmbeddedStack.start(home, search_attributes=SEARCH_ATTRIBUTES) as running:
        yield running


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home=home)


@pytest.fixture(scope="session")
async def servers(stack: EmbeddedStack, settings: Settings) -> Servers:
    """The session's servers."""
    return await prepared_servers(stack, settings)


@pytest.fixture(scope="session")
async def stores(servers: Servers, owner: Pool) -> AsyncGenerator[Stores]:
    """As a worker has them; but approvers are added as the owner, as people would."""
    async with open_stores(servers, connections=10) as opened:
        yield dataclasses.replace(opened, approvers=PostgresApprovers(owner))


@pytest.fixture(scope="session")
async def owner(servers: Servers) -> AsyncGenerator[Pool]:
    """The tables' owner: for tests that do what Casekeeper itself never may."""
    async with open_postgres(servers.owner_database_url) as pool:
        yield pool


@pytest.fixture(scope="session")
async def client(servers: Servers) -> Client:
    return await connect(servers)


@pytest.fixture(scope="session")
def gateways(stores: Stores, settings: Settings) -> Gateways:
    """The sandbox world and the offline model."""
    return sandbox_gateways(stores, settings)


@pytest.fixture(scope="session")
async def session(settings: Settings, servers: Servers, stores: Stores, client: Client) -> Session:
    """What commands work with."""
    return Session(settings, servers, stores, client)


@pytest.fixture(scope="session")
def run_worker(
    client: Client, stores: Stores, gateways: Gateways, settings: Settings
) -> WorkerFactory:
    """A worker of the session's servers for the block."""
    return worker_factory(client, stores, gateways, settings)


async def prepared_servers(stack: EmbeddedStack, settings: Settings) -> Servers:
    """A stack's servers with their schema; the first approver's token lies in the home."""
    keys = ensure_keys(settings.home / CUSTOMER_KEY_FILE)
    found = of_stack(settings, stack.addresses, customer_keys=keys)
    prepared = await prepare(found, schedules=False)
    if prepared.approver and prepared.token:
        save_token(settings.home, prepared.approver, prepared.token)
    return found


def worker_factory(
    client: Client, stores: Stores, gateways: Gateways, settings: Settings
) -> WorkerFactory:
    """Makes workers: `async with run_worker(gateways=..., max_cached_workflows=0)`.

    `gateways`, `client` and `settings` replace what is given here; the rest are options of the
    Worker.
    """

    @asynccontextmanager
    async def run(**options: Any) -> AsyncGenerator[Worker]:
        activities = all_activities(stores, options.pop("gateways", gateways))
        chosen = options.pop("client", client)
        used = options.pop("settings", settings)
        async with build_worker(chosen, activities, used, **options) as worker:
            yield worker

    return run


@pytest.fixture
def number() -> str:
    """Unique in the session: for ids of cases, customers and charges."""
    return f"{os.getpid()}-{next(_NUMBERS)}"


@pytest.fixture
def case_id(number: str) -> str:
    return f"case_{number}"


class SmallWorld:
    """A customer with charges in the sandbox, and their cases."""

    def __init__(self, session: Session, number: str) -> None:
        self.session = session
        self.number = number
        self.customer_id = f"cus_{number}"
        self._charges: Iterator[int] = itertools.count(1)

    async def customer(self, *, locked: bool = False) -> str:
        """Put the customer into the sandbox."""
        await self._load(customers=[self._customer(locked)], charges=[])
        return self.customer_id

    async def twins(
        self, amount_minor: int = 4999, *, count: int = 2, currency: str = "USD", **fields: Any
    ) -> list[str]:
        """Equal charges, a minute apart; their ids, earliest first."""
        first = datetime.now(UTC) - timedelta(hours=6)
        charges: list[dict[str, Any]] = [
            {
                "id": f"ch_{self.number}_{next(self._charges)}",
                "customer_id": self.customer_id,
                "amount_minor": amount_minor,
                "currency": currency,
                "merchant": "Northwind Music",
                "description": "Family plan",
                "created_at": (first + timedelta(minutes=place)).isoformat(),
                "status": "captured",
                **fields,
            }
            for place in range(count)
        ]
        await self._load(customers=[self._customer(locked=False)], charges=charges)
        return [charge["id"] for charge in charges]

    async def start(self, text: str, case_id: str | None = None) -> CaseHandle:
        """Open a case as `casekeeper start` does."""
        case = NewCase.check(self.customer_id, text, case_id or f"case_{self.number}")
        await start_case(self.session, case)
        return self.session.handle(case.case_id)

    async def state(self, case_id: str | None = None) -> CaseState:
        """The case as the durable record has it."""
        return await self.session.stores.cases.load(case_id or f"case_{self.number}", "main")

    async def refunds(self) -> list[dict[str, Any]]:
        """The customer's refunds as the provider has them."""
        rows = await self.session.stores.sandbox.fetch(
            "SELECT r.* FROM sandbox.current_refunds r "
            "JOIN sandbox.charges c ON c.id = r.charge_id "
            "WHERE c.customer_id = $1 ORDER BY r.created_at",
            self.customer_id,
        )
        return [dict(row) for row in rows]

    async def mails(self, kind: str) -> list[dict[str, Any]]:
        """The customer's mails of a kind, "reset" or "answer", as they went out."""
        rows = await self.session.stores.sandbox.fetch(
            "SELECT * FROM sandbox.mails WHERE customer_id = $1 AND kind = $2 ORDER BY created_at",
            self.customer_id,
            kind,
        )
        return [dict(row) for row in rows]

    async def until_mailed(self, kind: str) -> None:
        """Wait until the customer has a mail of that kind."""
        async with asyncio.timeout(30):
            while not await self.mails(kind):  # noqa: ASYNC110  it is the outside's state
                await asyncio.sleep(0.02)

    def _customer(self, locked: bool) -> dict[str, Any]:
        email = f"{self.customer_id}@example.com"
        return {"id": self.customer_id, "email": email, "name": "Sam Example", "locked": locked}

    async def _load(self, **world: Any) -> None:
        await load(self.session.stores.sandbox, World.model_validate(world))


@pytest.fixture
def world(session: Session, number: str) -> SmallWorld:
    """A customer of this test alone."""
    return SmallWorld(session, number)
