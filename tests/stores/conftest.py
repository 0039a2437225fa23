"""Fixtures of the stores' tests."""

import pytest
from redis.asyncio import Redis

from cases.state import CaseState
from stores.hot import RedisHotStore
from stores.postgres import Pool
from tests.stores.promotions import TwoLines
from tests.stores.support import Waiting, asking_step, commit, opened, request, step
from workers.composition import Stores


@pytest.fixture
def redis(stores: Stores) -> Redis:
    return stores.redis


@pytest.fixture
def hot(stores: Stores) -> RedisHotStore:
    return RedisHotStore(stores.redis, stores.keys)


@pytest.fixture
def state(case_id: str) -> CaseState:
    """A case that was just opened, on no record."""
    new = CaseState(case_id=case_id, customer_id="cus_private")
    return new.after(step("open", owner="intake", messages=(request(),)), 1)


@pytest.fixture
async def waiting(stores: Stores, owner: Pool, case_id: str, number: str) -> Waiting:
    made = Waiting(stores, owner, case_id, number)
    await commit(stores.cases, await opened(stores, case_id), asking_step(made.request))
    return made


@pytest.fixture
async def lines(stores: Stores, case_id: str, number: str) -> TwoLines:
    """49.99 was paid, and the branch wants 60.00."""
    made = TwoLines(stores, case_id, number)
    await made.main({1: 4999})
    return await made.fork({1: 6000})
