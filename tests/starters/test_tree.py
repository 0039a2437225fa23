"""`casekeeper history --tree`: every branch below the checkpoint that it was forked from."""

from typing import Any

import pytest

from cases.branches import Branch, Fork
from cases.ids import MAIN, parse_checkpoint_id
from cases.sections import Section
from cases.state import CaseStatus
from starters.history import is_stale
from starters.session import Session
from tests.samples import NOON
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.support import ProbeSection, commit, opened, probe
from workers.composition import Stores


async def forked(
    stores: Stores, case_id: str, branch: str, at: str, *edited: Section, by: str = "kim"
) -> None:
    """A branch after a checkpoint, on record and without a workflow."""
    parent, version = parse_checkpoint_id(at)
    sections = {section.name: section for section in edited}
    await stores.branches.fork(
        Fork(
            case_id=case_id,
            branch=branch,
            parent_branch=parent,
            parent_version=version,
            by=by,
            sections=sections,
        )
    )


@pytest.fixture
async def branched(session: Session, case_id: str) -> str:
    """A case of four checkpoints; b1 and b3 go on after the second one, b2 after b1's own."""
    state = await opened(session.stores, case_id)
    for n in (1, 2):
        await commit(session.stores.cases, state, probe(n, name=f"probe:{n}"))
        state = await session.stores.cases.load(case_id, MAIN)
    await forked(session.stores, case_id, "b1", "main.2", ProbeSection(content="other"))
    await commit(session.stores.cases, state, probe(3, name="probe:3"))
    await forked(session.stores, case_id, "b2", "b1.3", by="lee")
    await forked(session.stores, case_id, "b3", "main.2")
    return case_id


def line(branch: str, **fields: Any) -> Branch:
    known: dict[str, Any] = {"status": CaseStatus.ANSWERED, "version": 5, "opened_at": NOON}
    known |= dict.fromkeys(("closed_at", "promoted_at", "forked_by", "base_version"))
    known |= dict.fromkeys(("parent_branch", "parent_version"))
    return Branch(case_id="case_1", branch=branch, **{**known, **fields})


async def test_it_lists_the_checkpoints_of_every_line_and_the_lines(
    casekeeper: CommandLine, branched: str
) -> None:
    found = (await casekeeper("history", branched, "--tree", "--json")).json()

    assert found.keys() == {"case_id", "checkpoints", "next_before", "branches"}
    assert [one["checkpoint_id"] for one in found["checkpoints"]] == [
        *("main.1", "main.2", "main.3", "main.4"), "b1.3", "b2.4", "b3.3",
    ]  # fmt: skip
    places = {b["branch"]: (b["parent_branch"], b["parent_version"]) for b in found["branches"]}
    assert places == {
        "main": (None, None),
        "b1": ("main", 2),
        "b2": ("b1", 3),
        "b3": ("main", 2),
    }
    assert {b["branch"]: b["stale"] for b in found["branches"]} == {
        "main": False,
        "b1": True,
        "b2": False,
        "b3": False,
    }
    assert {b["branch"]: b["forked_by"] for b in found["branches"]} == {
        "main": None,
        "b1": "kim",
        "b2": "lee",
        "b3": "kim",
    }


async def test_people_see_each_branch_below_its_checkpoint(
    casekeeper: CommandLine, branched: str
) -> None:
    done = await casekeeper("history", branched, "--tree")

    assert done.code == 0
    lines = [text.replace("─", "").replace("│", " ") for text in done.out.splitlines()]
    depths = {text.split()[1]: len(text) - len(text.lstrip()) for text in lines[1:6]}
    assert depths == {"main": 0, "main.2": 4, "b1": 8, "b1.3": 12, "b2": 16}
    assert lines[2].split()[1:] == ["main.2", "probe", "1"]
    assert " by kim" in lines[3]
    assert "stale" in lines[3]
    assert " by lee" in lines[5]
    assert "stale" not in lines[5] + lines[6]
    assert lines[6].split()[1] == "b3"
    assert "--branch BRANCH`" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


async def test_only_so_many_checkpoints_of_each_line(
    casekeeper: CommandLine, branched: str
) -> None:
    found = (await casekeeper("history", branched, "--tree", "--limit", "1", "--json")).json()

    shown = [one["checkpoint_id"] for one in found["checkpoints"]]
    assert shown == ["main.4", "b1.3", "b2.4", "b3.3"]
    assert (await casekeeper("history", branched, "--tree", "--limit", "1")).code == 0


async def test_a_case_without_branches_says_how_to_begin_one(
    casekeeper: CommandLine, session: Session, case_id: str
) -> None:
    await opened(session.stores, case_id)

    done = await casekeeper("history", case_id, "--tree")

    assert done.out.splitlines()[0] == case_id
    assert done.out.splitlines()[1] == "└── main  received"
    assert "`casekeeper fork" in done.out


@pytest.mark.parametrize("option", [("--branch", "b1"), ("--before", "main.3")])
async def test_the_tree_is_of_all_branches(
    option: tuple[str, str], casekeeper: CommandLine
) -> None:
    done = await casekeeper("history", "case_1", "--tree", *option)

    assert_refused(done, 2, "--tree: shows all branches: leave out --branch and --before")


async def test_the_tree_of_no_case_is_not_found(casekeeper: CommandLine) -> None:
    done = await casekeeper("history", "no_such_case", "--tree", "--json")

    assert_refused_as_json(done, 3, "There is no case no_such_case.")


def test_a_branch_is_stale_once_the_main_line_went_on_without_it() -> None:
    main = line(MAIN, version=7)
    fresh = line("b1", parent_branch=MAIN, parent_version=4, base_version=7)
    stale = fresh.model_copy(update={"base_version": 6})
    promoted = stale.model_copy(update={"promoted_at": NOON})

    assert [is_stale(one, [main, one]) for one in (main, fresh, stale, promoted)] == [
        False,
        False,
        True,
        False,
    ]
