"""Random faults under load lose nothing and do nothing twice."""

from collections.abc import AsyncGenerator

import pytest

from tests.faults.chaos.arena import Arena, arena
from tests.faults.chaos.plan import Kind, plan_of
from tests.faults.chaos.table import HEAD, line

_CASES = 120
_SECONDS = 60.0


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Arena]:
    async with arena(tmp_path_factory.mktemp("chaos")) as ready:
        yield ready


def test_the_same_seed_is_the_same_plan() -> None:
    assert plan_of(7, 50, 60) == plan_of(7, 50, 60)
    assert plan_of(7, 50, 60) != plan_of(8, 50, 60)


def test_every_kind_of_fault_befalls_every_run() -> None:
    for seed in range(100):
        assert {fault.kind for fault in plan_of(seed, 1, _SECONDS).faults} == set(Kind)


@pytest.mark.e2e
@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", [1, 2])
async def test_random_faults_under_load_lose_nothing_and_do_nothing_twice(
    seed: int, place: Arena
) -> None:
    plan = plan_of(seed, _CASES, _SECONDS)
    outcome = await place.play(plan)

    print(f"{HEAD}\n{line(plan, outcome)}")  # noqa: T201  pytest shows it where the test fails
    assert outcome.problems() == []
