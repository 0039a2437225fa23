"""`casekeeper history`: page by page, oldest first, each line with what its step has stored."""

from typing import Any

import pytest

from starters.session import Session
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.starters.test_tree import forked
from tests.stores.support import commit, opened, probe


@pytest.fixture
async def recorded(session: Session, case_id: str) -> str:
    """A case of seven checkpoints; each probe is ten times as large as the one before."""
    state = await opened(session.stores, case_id)
    for n in range(1, 7):
        await commit(session.stores.cases, state, probe("x" * 10**n, name=f"probe:{n}"))
        state = await session.stores.cases.load(case_id, "main")
    return case_id


def ids(page: dict[str, Any]) -> list[str]:
    return [checkpoint["checkpoint_id"] for checkpoint in page["checkpoints"]]


async def test_it_lists_the_newest_checkpoints_oldest_first(
    casekeeper: CommandLine, recorded: str
) -> None:
    whole = (await casekeeper("history", recorded, "--json")).json()
    page = (await casekeeper("history", recorded, "--limit", "3", "--json")).json()

    assert whole.keys() == {"case_id", "checkpoints", "next_before"}
    assert ids(whole) == [f"main.{n}" for n in range(1, 8)]
    assert whole["next_before"] is None
    assert page["checkpoints"] == whole["checkpoints"][-3:]
    assert page["next_before"] == "main.5"


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_every_checkpoint_is_on_one_page(
    limit: int, casekeeper: CommandLine, recorded: str
) -> None:
    line = ("history", recorded, "--limit", str(limit), "--json")
    page = (await casekeeper(*line)).json()
    listed = ids(page)
    pages = 1
    while page["next_before"] and pages < 9:
        page = (await casekeeper(*line, "--before", page["next_before"])).json()
        listed = ids(page) + listed
        pages += 1

    assert listed == [f"main.{n}" for n in range(1, 8)]
    assert pages == -(-7 // limit)


async def test_the_past_of_a_branch_is_that_of_its_parent(
    casekeeper: CommandLine, recorded: str, session: Session
) -> None:
    await forked(session.stores, recorded, "b1", "main.4")
    await forked(session.stores, recorded, "b2", "b1.5")
    line = ("history", recorded, "--branch", "b2", "--json")

    whole = (await casekeeper(*line)).json()
    listed: list[str] = []
    page = (await casekeeper(*line, "--limit", "2")).json()
    while listed := ids(page) + listed:
        if page["next_before"] is None:
            break
        older = ("--limit", "2", "--before", page["next_before"])
        page = (await casekeeper(*line, *older)).json()

    assert ids(whole) == ["main.1", "main.2", "main.3", "main.4", "b1.5", "b2.6"]
    assert listed == ids(whole)
    assert [one["parent_checkpoint_id"] for one in whole["checkpoints"]] == [None, *ids(whole)[:-1]]
    assert ids((await casekeeper("history", recorded, "--json")).json())[-1] == "main.7"


async def test_before_the_first_checkpoint_there_is_nothing(
    casekeeper: CommandLine, recorded: str
) -> None:
    page = await casekeeper("history", recorded, "--before", "main.1", "--json")

    assert page.code == 0
    assert page.json() == {"case_id": recorded, "checkpoints": [], "next_before": None}


async def test_people_see_each_size_and_where_older_ones_are(
    casekeeper: CommandLine, recorded: str
) -> None:
    done = await casekeeper("history", recorded, "--limit", "3", "--before", "main.7")

    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[:4]] == [
        "checkpoint", "main.4", "main.5", "main.6",
    ]  # fmt: skip
    assert "1.1 kB" in done.out
    assert "100.1 kB" in done.out
    assert "--before main.4`" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 80
    assert "older" not in (await casekeeper("history", recorded)).out


@pytest.mark.parametrize("before", ["7", "main", "main.", "main.x", "main.-1", "b\udc80.1", ""])
async def test_what_is_no_checkpoint_id_is_bad_input(before: str, casekeeper: CommandLine) -> None:
    done = await casekeeper("history", "case_1", f"--before={before}", "--json")

    assert_refused_as_json(done, 2, "checkpoint: ")


async def test_a_branch_that_is_not_there_is_not_found(
    casekeeper: CommandLine, recorded: str
) -> None:
    done = await casekeeper("history", recorded, "--before", "what-if.3")

    assert_refused(done, 3, f"There is no case {recorded} on branch what-if.")
