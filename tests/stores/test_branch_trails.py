"""What forks leave on record: trails, histories and a tree, also when many fork at once."""

import asyncio
from typing import Any

import asyncpg
import pytest

from cases.branches import BranchExists, Fork
from cases.ids import MAIN
from cases.state import CaseState, CaseStatus
from stores.hot import RedisHotStore
from stores.postgres import Pool
from stores.seals import SEAL_BYTES
from tests.stores.forks import audited, fork, go_on, probed, tamper
from tests.stores.support import (
    ProbeSection,
    opened,
    probe,
)
from workers.composition import Stores


async def test_the_parent_learns_of_a_fork_by_one_audit_row_and_nothing_else(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    main = await probed(stores, case_id, "m2", "m3", "m4", "m5")
    await hot.write(main)
    before = await audited(stores, main)

    branch = await fork(stores, case_id, 2, "b1", ProbeSection(content="edited"))
    await go_on(stores, branch, probe("own", "probe:own"))

    assert await stores.cases.load(case_id, MAIN) == await hot.read(case_id, MAIN) == main
    assert await hot.read(case_id, "b1") is None
    assert await audited(stores, main) == [*before, "forked fork:b1"]
    [newest, *_] = await stores.audit.trail(case_id, MAIN)
    assert (newest.actor, newest.version) == ("kim", 5)
    assert newest.detail == "b1 from main.2: probe"


async def test_the_trail_of_a_branch_shows_what_its_edits_replaced_on_whatever_line_that_was(
    stores: Stores, case_id: str
) -> None:
    await probed(stores, case_id, "m2", "m3", "m4", "m5", "m6")
    branch = await fork(stores, case_id, 3, "b1", ProbeSection(content="edited"))
    await go_on(stores, branch, probe("b5", "probe:b"))
    await fork(stores, case_id, 5, "b2", ProbeSection(content="again"), parent="b1")

    seen: list[tuple[Any, ...]] = []
    for line in ("b1", "b2"):
        for row in reversed(await stores.audit.trail(case_id, line)):
            if row.section:
                values = (row.old_value["content"], row.value["content"])
                seen.append((line, row.actor, row.old_version, *values))
    assert seen == [
        ("b1", "kim", 3, "m3", "edited"),
        ("b1", "prober", 4, "edited", "b5"),
        ("b2", "kim", 5, "b5", "again"),
    ]
    assert await audited(stores, branch) == [
        "forked fork:b1",
        "section_written fork:b1",
        "section_written probe:b",
        "forked fork:b2",
    ]


async def test_history_goes_on_from_the_parents_and_names_every_parent(
    stores: Stores, case_id: str
) -> None:
    await probed(stores, case_id, "m2", "m3", "m4")
    branch = await fork(stores, case_id, 3, request="Other words.")
    await go_on(stores, branch, probe("b5", "probe:b"))
    await fork(stores, case_id, 5, "b2", parent="b1")

    listed = await stores.cases.history(case_id, "b2")
    assert [(one.parent_checkpoint_id, one.checkpoint_id) for one in listed] == [
        (None, "main.1"),
        ("main.1", "main.2"),
        ("main.2", "main.3"),
        ("main.3", "b1.4"),
        ("b1.4", "b1.5"),
        ("b1.5", "b2.6"),
    ]
    assert listed[3].size == len(b"Other words.") + SEAL_BYTES
    page = await stores.cases.history(case_id, "b2", limit=2, before=5)
    assert [one.checkpoint_id for one in page] == ["main.3", "b1.4"]


async def test_the_tree_has_the_main_line_first_and_says_where_each_began(
    stores: Stores, case_id: str
) -> None:
    main = await probed(stores, case_id, "m2", "m3")
    await fork(stores, case_id, 2, "zz")
    await go_on(stores, main, probe("m4", "probe:4"))
    await fork(stores, case_id, 3, "aa", parent="zz")

    tree = await stores.branches.tree(case_id)
    assert [(one.branch, one.parent_checkpoint_id, one.base_version) for one in tree] == [
        (MAIN, None, None),
        ("zz", "main.2", 3),
        ("aa", "zz.3", 4),
    ]
    assert [one.is_main for one in tree] == [True, False, False]
    assert [one.forked_by for one in tree] == [None, "kim", "kim"]


@pytest.mark.parametrize("status", [s for s in CaseStatus if s.closed])
async def test_a_branch_of_a_case_that_has_ended_has_ended_and_an_earlier_one_has_not(
    status: CaseStatus, stores: Stores, case_id: str
) -> None:
    main = await opened(stores, case_id)
    await go_on(stores, main, probe("last").model_copy(update={"status": status}))
    await fork(stores, case_id, 1, "early")
    await fork(stores, case_id, 2, "late")

    _, early, late = await stores.branches.tree(case_id)
    assert (early.status, early.closed_at) == (CaseStatus.RECEIVED, None)
    assert late.status is status
    assert late.closed_at is not None


async def test_of_many_forks_of_one_name_one_is_made(stores: Stores, case_id: str) -> None:
    await probed(stores, case_id, "m2", "m3")

    made = await asyncio.gather(
        *(fork(stores, case_id, 2, "b1", ProbeSection(content=n)) for n in range(8)),
        return_exceptions=True,
    )

    [winner] = [one for one in made if isinstance(one, CaseState)]
    assert sum(isinstance(one, BranchExists) for one in made) == 7
    assert await stores.cases.load(case_id, "b1") == winner
    assert (await audited(stores, await stores.cases.load(case_id, MAIN))).count(
        "forked fork:b1"
    ) == 1


async def test_forks_while_the_parent_goes_on_lose_nothing_of_either(
    stores: Stores, case_id: str
) -> None:
    main = await probed(stores, case_id, "m2")
    names = [f"b{n}" for n in range(6)]

    grown, *forked = await asyncio.gather(
        go_on(stores, main, *(probe(n, f"probe:on{n}") for n in range(10))),
        *(fork(stores, case_id, 2, name) for name in names),
    )

    assert grown.version == 12
    assert {one.version for one in forked} == {3}
    for line in (MAIN, *names):
        assert await stores.audit.verify(case_id, line) == []
    bases = [one.base_version for one in (await stores.branches.tree(case_id))[1:]]
    assert all(base and 2 <= base <= 12 for base in bases)


async def test_every_line_verifies_until_a_section_of_it_is_changed(
    stores: Stores, owner: Pool, case_id: str
) -> None:
    await probed(stores, case_id, "m2", "m3")
    await fork(stores, case_id, 3, "b1", ProbeSection(content="edited"), request="Other words.")
    await fork(stores, case_id, 4, "b2", parent="b1")
    for line in (MAIN, "b1", "b2"):
        assert await stores.audit.verify(case_id, line) == []

    change = "UPDATE {} SET body = '{{}}' WHERE case_id = $1 AND branch = 'b1'"
    await tamper(owner, "sections", change.format("sections"), case_id)
    found = await stores.audit.verify(case_id, "b1")
    assert found == [f"case {case_id}, branch b1, row 2: the value it recorded was changed"]
    await tamper(owner, "messages", change.format("messages"), case_id)
    assert len(await stores.audit.verify(case_id, "b1")) == 2
    assert await stores.audit.verify(case_id, MAIN) == []


async def test_the_role_that_runs_cases_begins_branches_by_the_function_alone(
    stores: Stores, case_id: str
) -> None:
    await probed(stores, case_id, "m2")
    await fork(stores, case_id, 2)

    for statement in (
        "INSERT INTO branch_effects SELECT * FROM branch_effects",
        "UPDATE branch_effects SET state = 'succeeded'",
        "DELETE FROM branch_effects",
        "UPDATE cases SET parent_branch = NULL, parent_version = NULL, base_version = NULL",
        "SELECT edit_section(c, '', '{}', '') FROM cases c",
        "SELECT inherit_effects(c) FROM cases c",
        "SELECT append_on_branch(c, b) FROM cases c, branch_effects b",
        "SELECT claim_on_branch(c, '', '', '', 1, '', '', '', '', '') FROM cases c",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stores.pool.execute(statement)


async def test_the_words_of_a_fork_that_no_column_can_hold_are_refused(
    stores: Stores, case_id: str
) -> None:
    await opened(stores, case_id)
    wanted = Fork(case_id=case_id, branch="b1", parent_branch=MAIN, parent_version=1, by="kim")

    with pytest.raises(Exception, match="not valid Unicode"):
        await stores.branches.fork(wanted.model_copy(update={"request": "\ud800"}))
    assert len(await stores.branches.tree(case_id)) == 1
