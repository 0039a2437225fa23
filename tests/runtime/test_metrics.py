"""The address of the metrics; what is served there, tests/monitoring reads from a real worker."""

from datetime import timedelta

import pytest

from cases.errors import InvalidInput
from runtime.metrics import start_metrics
from tests.ports import free_address
from tests.scraped import scrape


def test_nothing_is_served_without_an_address() -> None:
    assert start_metrics("") is None


async def test_names_and_durations_are_as_prometheus_wants_them() -> None:
    address = free_address()
    metrics = start_metrics(address)
    assert metrics
    meter = metrics.metric_meter
    meter.create_counter("casekeeper_tried").add(2, {"kind": "a"})
    meter.create_histogram_timedelta("casekeeper_approval_wait").record(timedelta(minutes=2))

    found = await scrape(address)

    assert found.total("casekeeper_tried_total", kind="a") == 2
    assert found.total("casekeeper_approval_wait_seconds_sum") == 120
    assert found.total("casekeeper_approval_wait_seconds_bucket", le="60") == 0
    assert found.total("casekeeper_approval_wait_seconds_bucket", le="300") == 1


@pytest.mark.parametrize("address", ["9464", ":9464", "nowhere:1", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(InvalidInput, match="CASEKEEPER_METRICS_ADDRESS"):
        start_metrics(address)


def test_an_address_that_is_taken_is_named() -> None:
    address = free_address()
    kept = start_metrics(address)

    with pytest.raises(InvalidInput, match=r"CASEKEEPER_METRICS_ADDRESS.*in use"):
        start_metrics(address)
    assert kept
