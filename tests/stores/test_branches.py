"""Branches on record: their past is their parent's, and their own steps touch nobody else's."""

import itertools
from typing import Any

import pytest

from cases.branches import BranchExists
from cases.errors import CaseNotFound, CheckpointNotFound, ConcurrentModification, ForeignWrite
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from tests.stores.forks import fork, go_on, probed
from tests.stores.support import (
    OtherProbeSection,
    ProbeSection,
    commit,
    later_steps,
    opened,
    other,
    probe,
    step,
)
from workers.composition import Stores


def inherited(state: CaseState, branch: str) -> CaseState:
    """The same state as a branch sees it."""
    return state.model_copy(update={"branch": branch})


@pytest.fixture
async def states(stores: Stores, case_id: str) -> dict[int, CaseState]:
    """A case whose steps have touched everything, as it was at each of its versions."""
    first = await opened(stores, case_id)
    steps = later_steps(first)
    await go_on(stores, first, *(update for update, _ in steps))
    found = itertools.accumulate(steps, lambda was, made: was.after(*made), initial=first)
    return {state.version: state for state in found}


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (("main", 0), CheckpointNotFound),
        (("main", -1), CheckpointNotFound),
        (("main", 6), CheckpointNotFound),
        (("b1", 2), CheckpointNotFound),
        (("b1", 3), CheckpointNotFound),
        (("b1", 5), CheckpointNotFound),
        (("b2", 3), CaseNotFound),
    ],
)
async def test_a_branch_begins_only_at_a_step_that_its_parent_did_itself(
    place: tuple[str, int],
    problem: type[Exception],
    stores: Stores,
    case_id: str,
    states: dict[int, CaseState],
) -> None:
    await fork(stores, case_id, 3)
    before = await stores.branches.tree(case_id)

    with pytest.raises(problem, match=f"{case_id} .*{place[0]}"):
        await fork(stores, case_id, place[1], "new", parent=place[0])
    assert await stores.branches.tree(case_id) == before
    assert (await stores.cases.load(case_id, MAIN)) == states[5]


async def test_a_case_that_nobody_knows_has_no_branches(stores: Stores, case_id: str) -> None:
    with pytest.raises(CaseNotFound):
        await fork(stores, case_id, 1)
    with pytest.raises(CaseNotFound):
        await stores.branches.tree(case_id)
    assert await stores.branches.effects(case_id, "b1") == []


@pytest.mark.parametrize("place", [(MAIN, 3), ("b1", 3)])
@pytest.mark.parametrize("name", ["b1", MAIN])
async def test_a_name_that_is_taken_is_refused_and_nothing_changes(
    name: str, place: tuple[str, int], stores: Stores, case_id: str
) -> None:
    await probed(stores, case_id, "a", "b")
    branch = await fork(stores, case_id, 2)
    trails = [await stores.audit.trail(case_id, line) for line in (MAIN, "b1")]

    with pytest.raises(BranchExists, match=f"has a branch {name} already"):
        await fork(stores, case_id, place[1], name, ProbeSection(content="lost"), parent=place[0])
    assert await stores.cases.load(case_id, "b1") == branch
    assert [await stores.audit.trail(case_id, line) for line in (MAIN, "b1")] == trails


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
async def test_at_every_version_a_branch_begins_as_its_parent_was(
    at: int, stores: Stores, case_id: str, states: dict[int, CaseState]
) -> None:
    branch = await fork(stores, case_id, at, "b1")

    assert branch == states[at].model_copy(
        update={
            "branch": "b1",
            "version": at + 1,
            "completed_steps": (*states[at].completed_steps, "fork:b1"),
            "current_owner": "fork",
        }
    )
    for version in range(1, at + 1):
        then = await stores.cases.load(case_id, "b1", at=version)
        assert then == inherited(states[version], "b1")
    with pytest.raises(CheckpointNotFound):
        await stores.cases.load(case_id, "b1", at=at + 2)


async def test_what_is_edited_is_written_by_the_first_step_and_everything_else_is_inherited(
    stores: Stores, case_id: str, states: dict[int, CaseState]
) -> None:
    edits = (ProbeSection(content="edited"), OtherProbeSection(content=["new"]))
    branch = await fork(stores, case_id, 3, "b1", *edits, request="Other words.")

    assert branch.sections == {one.name: one for one in edits}
    assert branch.section_versions == {"probe": 4, "other_probe": 4}
    assert [one.text for one in branch.messages] == ["Other words.", "more 💸"]
    assert [one.message_id for one in branch.messages] == ["request", "m2"]
    assert (branch.retries, branch.status) == (states[3].retries, states[3].status)
    assert await stores.cases.load(case_id, "b1", at=3) == inherited(states[3], "b1")
    assert await stores.cases.load(case_id, MAIN) == states[5]


async def test_the_steps_that_follow_touch_the_branch_alone(
    stores: Stores, case_id: str, states: dict[int, CaseState]
) -> None:
    branch = await fork(stores, case_id, 2)
    steps = [update for update, _ in later_steps(branch)]
    steps[0] = probe("own", "probe:own").model_copy(update={"status": CaseStatus.SETTLING})
    branch = await go_on(stores, branch, *steps)

    assert branch.version == 7
    assert branch.completed_steps[:3] == (*states[2].completed_steps, "fork:b1")
    assert [one.text for one in branch.messages] == [one.text for one in states[5].messages]
    assert (branch.retries, branch.error) == (states[5].retries, "broke")
    assert await stores.cases.load(case_id, MAIN) == states[5]


async def test_a_fork_of_a_fork_has_each_lines_part_of_the_past(
    stores: Stores, case_id: str
) -> None:
    main = await probed(stores, case_id, "m2", "m3", "m4", "m5")
    first = await fork(stores, case_id, 3)
    first = await go_on(stores, first, probe("x5", "probe:x"), other("x6"), probe("x7", "probe:y"))
    second = await fork(stores, case_id, 6, "b2", parent="b1", request="Second words.")
    second = await go_on(stores, second, other("y8", "other:y"))
    third = await fork(stores, case_id, 8, "b3", ProbeSection(content="z9"), parent="b2")
    await go_on(stores, first, probe("late", "probe:late"))
    await go_on(stores, main, probe("late", "probe:late"))

    wanted = ("open", "probe:2", "probe:3", "fork:b1", "probe:x", "other:1", "fork:b2", "other:y")
    assert third.completed_steps == (*wanted, "fork:b3")
    found: list[Any] = []
    for version in range(1, 10):
        then = await stores.cases.load(case_id, "b3", at=version)
        assert then.completed_steps == third.completed_steps[:version]
        found.append([getattr(one, "content", None) for _, one in sorted(then.sections.items())])
    assert found[:4] == [[], ["m2"], ["m3"], ["m3"]]
    assert found[4:] == [["x5"], ["x6", "x5"], ["x6", "x5"], ["y8", "x5"], ["y8", "z9"]]
    assert (third.request and third.request.text) == "Second words."
    assert await stores.cases.load(case_id, "b2") == second


async def test_what_was_done_before_the_fork_is_a_repeat_and_what_the_parent_did_later_is_not(
    stores: Stores, case_id: str
) -> None:
    main = await probed(stores, case_id, "m2", "m3", "m4")
    branch = await fork(stores, case_id, 3)

    again = await commit(stores.cases, branch, probe("other", "probe:2"))
    assert (again.version, again.repeated) == (2, True)
    own = await commit(stores.cases, branch, probe("b5", "probe:4"))
    assert (own.version, own.repeated) == (5, False)
    assert await stores.cases.load(case_id, MAIN) == main


async def test_who_writes_on_a_branch_must_own_the_section_and_know_its_newest_version(
    stores: Stores, case_id: str
) -> None:
    await probed(stores, case_id, "m2", "m3", "m4")
    branch = await fork(stores, case_id, 3)

    for wrong in (0, 2, 4):
        with pytest.raises(ConcurrentModification) as conflict:
            await stores.cases.commit(case_id, "b1", [probe("b5", "probe:b")], {"probe": wrong})
        assert conflict.value.found == 3
    await stores.cases.commit(case_id, "b1", [probe("b5", "probe:b")], {"probe": 3})
    for wrong in (3, 4):
        with pytest.raises(ConcurrentModification) as conflict:
            await stores.cases.commit(case_id, "b1", [probe("b6", "probe:c")], {"probe": wrong})
        assert conflict.value.found == 5

    # The type may say so; the record knows better.
    stolen = step("theft:1", ProbeSection(content="x")).model_copy(update={"owner": "thief"})
    with pytest.raises(ForeignWrite):
        await commit(stores.cases, await stores.cases.load(case_id, "b1"), stolen)
    assert branch.completed_steps == (await stores.cases.load(case_id, "b1", at=4)).completed_steps
