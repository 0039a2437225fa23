"""Committing steps: once each, from the version that was read, by the owner of the section."""

import json

import asyncpg
import pytest

from cases.errors import (
    ConcurrentModification,
    ForeignWrite,
)
from cases.ids import MAIN
from stores.postgres import case_errors, fetch_row
from stores.steps import encode_steps
from tests.stores.support import (
    HARD_VALUES,
    OtherProbeSection,
    ProbeSection,
    commit,
    opened,
    other,
    probe,
    step,
)
from workers.composition import Stores


async def test_a_repeated_step_returns_its_version_and_changes_nothing(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    first = await commit(stores.cases, state, probe(1))
    await commit(stores.cases, state, other(1))
    before = await stores.cases.load(case_id, MAIN)

    again = await commit(stores.cases, state, probe("another finding"))

    assert (first.version, first.repeated) == (2, False)
    assert (again.version, again.repeated) == (2, True)
    assert await stores.cases.load(case_id, MAIN) == before


async def test_steps_committed_together_make_one_version_each(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)

    done = await commit(stores.cases, state, probe(1), other(2))

    assert (done.version, done.repeated) == (3, False)
    loaded = await stores.cases.load(case_id, MAIN)
    assert loaded.section_versions == {"probe": 2, "other_probe": 3}
    assert loaded.completed_steps == ("open", "probe:1", "other:1")
    assert (await commit(stores.cases, state, probe(1), other(2))).repeated


async def test_of_steps_committed_together_a_refused_one_takes_the_others_with_it(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    await commit(stores.cases, state, other(1))
    before = await stores.cases.load(case_id, MAIN)

    with pytest.raises(ConcurrentModification):
        await commit(stores.cases, state, probe(1), other(2, name="other:2"))

    assert await stores.cases.load(case_id, MAIN) == before
    assert await stores.audit.verify(case_id, MAIN) == []


@pytest.mark.parametrize(("expected", "found"), [(0, 3), (1, 3), (2, 3), (4, 3)])
async def test_a_write_from_an_outdated_version_is_refused_with_both_numbers(
    stores: Stores, case_id: str, expected: int, found: int
) -> None:
    state = await opened(stores, case_id)
    await commit(stores.cases, state, probe(1))
    state = await stores.cases.load(case_id, MAIN)
    await commit(stores.cases, state, probe(2, name="probe:2"))
    before = await stores.cases.load(case_id, MAIN)

    with pytest.raises(ConcurrentModification) as refused:
        await stores.cases.commit(case_id, MAIN, [probe(3, name="probe:3")], {"probe": expected})

    assert (refused.value.expected, refused.value.found) == (expected, found)
    assert refused.value.retryable
    assert await stores.cases.load(case_id, MAIN) == before


@pytest.mark.parametrize("expected", [1, 2])
async def test_a_section_never_written_has_version_0_and_no_other(
    stores: Stores, case_id: str, expected: int
) -> None:
    await opened(stores, case_id)

    with pytest.raises(ConcurrentModification) as refused:
        await stores.cases.commit(case_id, MAIN, [probe(1)], {"probe": expected})
    assert (refused.value.expected, refused.value.found) == (expected, 0)
    assert not (await stores.cases.load(case_id, MAIN)).sections


async def test_an_update_without_an_expected_version_is_refused_by_the_database(
    stores: Stores, case_id: str
) -> None:
    state = await opened(stores, case_id)
    encoded = encode_steps([probe(1)], {})
    steps = json.loads(encoded.steps)
    del steps[0]["sections"][0]["expected"]

    with pytest.raises(asyncpg.PostgresError) as refused:
        await fetch_row(
            stores.pool, "commit_steps", case_id, MAIN, 1, json.dumps(steps), encoded.bodies
        )
    assert refused.value.sqlstate == "CK409"
    assert await stores.cases.load(case_id, MAIN) == state


async def test_a_section_of_another_owner_is_refused_in_code(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    foreign = step("probe:1", ProbeSection(), owner="other_prober")

    with pytest.raises(ForeignWrite, match=r"other_prober may not write section probe.*prober"):
        await commit(stores.cases, state, foreign)
    assert await stores.cases.load(case_id, MAIN) == state


@pytest.mark.parametrize("claimed", ["prober", "other_prober"])
async def test_a_section_of_another_owner_is_refused_by_the_database(
    stores: Stores, case_id: str, claimed: str
) -> None:
    state = await opened(stores, case_id)
    await commit(stores.cases, state, probe(1))
    before = await stores.cases.load(case_id, MAIN)
    encoded = encode_steps([other(2, name="other:2")], {})
    steps = json.loads(encoded.steps)
    steps[0]["sections"][0] |= {"name": "probe", "owner": claimed, "expected": 2}

    with pytest.raises(ForeignWrite, match="other_prober may not write section probe"):
        async with case_errors(case_id, MAIN):
            await fetch_row(
                stores.pool, "commit_steps", case_id, MAIN, 1, json.dumps(steps), encoded.bodies
            )
    assert await stores.cases.load(case_id, MAIN) == before


async def test_a_step_of_two_sections_is_one_version(stores: Stores, case_id: str) -> None:
    class Second(ProbeSection):
        name = "second_probe"

    state = await opened(stores, case_id)
    await commit(stores.cases, state, step("both", ProbeSection(content=1), Second(content=2)))

    loaded = await stores.cases.load(case_id, MAIN)
    assert loaded.section_versions == {"probe": 2, "second_probe": 2}


async def test_sections_of_two_owners_do_not_touch_each_other(stores: Stores, case_id: str) -> None:
    state = await opened(stores, case_id)
    await commit(stores.cases, state, probe(HARD_VALUES))
    query = "SELECT body FROM sections WHERE case_id = $1 AND name = 'probe'"
    before = await stores.pool.fetch(query, case_id)
    await commit(stores.cases, state, other(OtherProbeSection().model_dump()))

    assert await stores.pool.fetch(query, case_id) == before
