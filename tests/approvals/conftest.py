"""Fixtures of the approvals' tests."""

import pytest

from stores.postgres import Pool
from tests.approvals.support import Desk
from tests.stores.support import usd
from workers.composition import Stores


@pytest.fixture
async def desk(stores: Stores, owner: Pool, case_id: str, number: str) -> Desk:
    """One person must approve 600.00."""
    return await Desk(stores, owner, case_id, number, amount=usd(60_000), needed=1).opened()


@pytest.fixture
async def two(stores: Stores, owner: Pool, case_id: str, number: str) -> Desk:
    """Two people must approve 6,000.00."""
    return await Desk(stores, owner, case_id, number).opened()
