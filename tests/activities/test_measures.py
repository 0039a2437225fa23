"""What the metrics say of cases: each fact once, whatever is repeated."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import pytest
from temporalio.client import Client

from cases.approvals import Verdict
from runtime.metrics import start_metrics
from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from tests.conftest import SmallWorld, WorkerFactory
from tests.ports import free_address
from tests.scraped import Scraped, scrape
from tests.workflows.support import BILLING, decided, finish, parked
from workers.composition import Gateways, Stores, all_activities
from workers.main import build_worker


class Measured:
    """A client whose workers are measured, by metrics of this test alone."""

    def __init__(self, client: Client, address: str) -> None:
        self.client = client
        self._address = address

    async def scrape(self) -> Scraped:
        return await scrape(self._address)


@pytest.fixture
async def measured(servers: Servers) -> Measured:
    address = free_address()
    return Measured(await connect(servers, runtime=start_metrics(address)), address)


async def test_a_refund_is_counted_with_its_money_and_the_case_by_its_end(
    measured: Measured, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(1299, currency="EUR")
    async with run_worker(client=measured.client):
        assert await finish(await world.start(BILLING)) == "answered"

    found = await measured.scrape()
    assert found.total("casekeeper_refunds_total", state="succeeded") == 1
    assert found.total("casekeeper_refunded_minor_total", currency="EUR") == 1299
    assert found.total("casekeeper_cases_closed_total", status="answered") == 1
    assert found.total("casekeeper_refunds_total") == 1


async def test_what_is_called_again_after_its_commit_is_not_counted_again(
    measured: Measured,
    world: SmallWorld,
    stores: Stores,
    gateways: Gateways,
    settings: Settings,
) -> None:
    """The answer to Temporal is lost each time, once the outcome is on record and counted."""
    await world.twins(1299)
    again = [_fails_once_it_is_done(one) for one in all_activities(stores, gateways)]
    async with build_worker(measured.client, again, settings):
        assert await finish(await world.start(BILLING)) == "answered"

    found = await measured.scrape()
    assert found.total("temporal_activity_execution_failed_total") > 2
    assert found.total("casekeeper_refunds_total", state="succeeded") == 1
    assert found.total("casekeeper_refunded_minor_total", currency="USD") == 1299
    assert found.total("casekeeper_cases_closed_total", status="answered") == 1


def _fails_once_it_is_done(
    activity: Callable[..., Awaitable[Any]],
) -> Callable[..., Awaitable[Any]]:
    done: set[str] = set()

    @wraps(activity)
    async def run(*given: Any) -> Any:
        result = await activity(*given)
        if str(given) not in done:
            done.add(str(given))
            raise ConnectionError("the answer was lost")
        return result

    return run


async def test_how_long_a_person_took_is_measured_once_whatever_is_replayed(
    measured: Measured, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker(client=measured.client, max_cached_workflows=0):
        handle = await world.start(BILLING)
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    found = await measured.scrape()
    assert found.total("casekeeper_approval_wait_seconds_count", end="decided") == 1
    assert found.total("casekeeper_approval_wait_seconds_count") == 1
    assert 0 < found.total("casekeeper_approval_wait_seconds_sum") < 60
    assert found.total("casekeeper_approval_wait_seconds_bucket", le="259200") == 1


async def test_no_label_names_a_case_or_a_customer(
    measured: Measured, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    charges = await world.twins()
    async with run_worker(client=measured.client):
        await finish(await world.start(BILLING))

    text = (await measured.scrape()).text
    assert not [name for name in (world.number, world.customer_id, *charges) if name in text]
