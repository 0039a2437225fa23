"""The contract suite's provider, one after another; and one that cannot be reached."""

import os
from collections.abc import AsyncGenerator

import pytest

from gateways.sandbox.connection import Pool
from tests.gateways.provider import PROVIDERS, Provider
from tests.gateways.sandbox_provider import lazy_pool
from workers.composition import Stores

#: Without a key of Stripe's test mode that provider is left out: one skip below says so.
OPEN_HERE = [name for name in PROVIDERS if name != "stripe-test" or "STRIPE_TEST_KEY" in os.environ]


@pytest.fixture(params=OPEN_HERE)
async def provider(request: pytest.FixtureRequest, stores: Stores) -> AsyncGenerator[Provider]:
    """Every provider in turn, opened for this test alone."""
    async with PROVIDERS[request.param](stores) as opened:
        yield opened


@pytest.fixture
async def unreachable() -> AsyncGenerator[Pool]:
    """A sandbox at a port where nothing listens."""
    async with lazy_pool(1) as closed:
        yield closed
