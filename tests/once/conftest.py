"""Customers by name, and workers whose effects stand still."""

from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from runtime.settings import Settings
from starters.session import Session
from tests.conftest import SmallWorld
from tests.once.held import Hold, held_activities, noticed_soon
from workers.composition import Gateways, Stores
from workers.main import build_worker

Named = Callable[[str], SmallWorld]
RunHeld = Callable[[Hold], AbstractAsyncContextManager[Worker]]


@pytest.fixture
def named(session: Session, number: str) -> Named:
    """A customer of this test by name; the same name is the same customer."""
    worlds: dict[str, SmallWorld] = {}

    def world(name: str) -> SmallWorld:
        return worlds.setdefault(name, SmallWorld(session, f"{number}-{name}"))

    return world


@pytest.fixture
def soon() -> Generator[None]:
    """A worker that is dead or frozen is noticed within seconds."""
    with noticed_soon():
        yield


@pytest.fixture
def run_held(client: Client, stores: Stores, gateways: Gateways, settings: Settings) -> RunHeld:
    """A worker for the block whose effects stand still where the Hold says so."""

    def run(hold: Hold) -> Worker:
        activities = held_activities(stores, gateways, hold)
        return build_worker(client, activities, settings, max_concurrent_activities=60)

    return run
