"""A thousand cases with failures wherever one can be, and days of waiting, all end as they must."""

from pathlib import Path

import pytest

from tests.faults.simulation.plan import PARKED, Extra, Place, Story, plan_of
from tests.faults.simulation.run import simulate

SEED, CASES = 1, 1000


@pytest.mark.e2e
@pytest.mark.timeout(1800)
async def test_a_thousand_cases_of_a_seed_all_end_as_their_plan_makes_right(
    tmp_path: Path,
) -> None:
    report = await simulate(tmp_path, SEED, range(CASES))

    print(f"seed {SEED}", *report.lines(), sep="\n")  # noqa: T201  shown where the test fails
    assert report.wrong == []
    # Nothing is proven by what never came to pass.
    assert {story for story, _ in report.ends} == set(Story)
    assert set(report.extras) == set(Extra)
    assert all(report.struck[place] for place in Place)


async def test_cases_that_are_played_again_fail_and_end_where_they_did(tmp_path: Path) -> None:
    # Of two rivals either may be first.
    numbers = [n for n in range(12) if plan_of(SEED, n).story is not Story.RIVALS]
    first = await simulate(tmp_path / "first", SEED, numbers)
    again = await simulate(tmp_path / "again", SEED, reversed(numbers))

    assert (again.wrong, again.ends, again.struck) == (first.wrong, first.ends, first.struck)
    assert first.wrong == []
    assert first.struck.total() > 0


def test_the_same_seed_and_number_make_the_same_plan() -> None:
    assert [plan_of(7, number) for number in range(100)] == [
        plan_of(7, number) for number in reversed(range(100))
    ][::-1]


def test_another_seed_makes_other_plans() -> None:
    assert [plan_of(1, number).faults for number in range(20)] != [
        plan_of(2, number).faults for number in range(20)
    ]


def test_only_what_waits_for_a_person_is_above_the_limit() -> None:
    plans = [plan_of(1, number) for number in range(CASES)]

    assert all((plan.amount_minor > 50_000) == (plan.story in PARKED) for plan in plans)
