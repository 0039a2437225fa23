"""`casekeeper diff`: what changed between two checkpoints, and how two branches differ."""

import pytest

from cases.diff import diff
from cases.state import StepUpdate
from starters.session import Session
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.starters.test_tree import forked
from tests.stores.support import ProbeSection, commit, opened, step


@pytest.fixture
async def recorded(session: Session, case_id: str) -> str:
    """A case of four checkpoints: opened, probed twice, and noted in private."""
    state = await opened(session.stores, case_id)
    note = ProbeSection(content={"amount": 4999, "words": ["one"], "long": "x" * 2000, "empty": []})
    later = note.model_copy(
        update={"content": {"amount": 5000, "words": ["one", "[bold]\x1b[31mtwo\u202e"]}}
    )
    scratch = {"prober.scratch": {"text": "the customer sounds upset"}}
    private = StepUpdate.model_validate({"step": "probe:3", "owner": "prober", "sections": scratch})
    for update in (step("probe:1", note), step("probe:2", later), private):
        await commit(session.stores.cases, state, update)
        state = await session.stores.cases.load(case_id, "main")
    return case_id


async def test_it_answers_the_changes_from_one_checkpoint_to_the_other(
    casekeeper: CommandLine, recorded: str, session: Session
) -> None:
    states = [await session.stores.cases.load(recorded, "main", at=at) for at in (2, 3)]

    document = (await casekeeper("diff", recorded, "main.2", "main.3", "--json")).json()

    changes = document.pop("changes")
    assert document == {"case_id": recorded, "before": "main.2", "after": "main.3"}
    assert changes == [change.model_dump() for change in diff(*states)]
    assert {"path": "probe.content.amount", "before": 4999, "after": 5000} in changes
    assert {"path": "probe.content.long", "before": "x" * 2000, "after": None} in changes
    assert {
        "path": "probe.content.words[1]",
        "before": None,
        "after": "[bold]\x1b[31mtwo\u202e",
    } in changes


async def test_people_read_it_as_a_table_of_80_columns(
    casekeeper: CommandLine, recorded: str
) -> None:
    done = await casekeeper("diff", recorded, "main.2", "main.3")

    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["what", "main.2", "main.3"]
    assert "[bold]\\u001b[31mtwo\\u202e" in "".join(done.out.split())
    assert "\x1b" not in done.out
    assert "…" in done.out
    assert done.out.count("x") < 500
    assert max(map(len, done.out.splitlines())) <= 80


async def test_what_is_still_empty_is_left_to_programs(
    casekeeper: CommandLine, recorded: str
) -> None:
    done = await casekeeper("diff", recorded, "main.1", "main.2")
    changes = (await casekeeper("diff", recorded, "main.1", "main.2", "--json")).json()["changes"]

    assert "probe.content.amount" in "".join(done.out.split())
    assert {"path": "probe.content.empty", "before": None, "after": []} in changes
    assert "empty" not in done.out


async def test_a_checkpoint_holds_the_same_as_itself(
    casekeeper: CommandLine, recorded: str
) -> None:
    assert (await casekeeper("diff", recorded, "main.3", "main.3", "--json")).json()[
        "changes"
    ] == []
    done = await casekeeper("diff", recorded, "main.3", "main.3")
    assert (done.code, done.out) == (0, "main.3 and main.3 hold the same.\n")


async def test_an_agents_scratch_stays_private(casekeeper: CommandLine, recorded: str) -> None:
    for line in (("main.3", "main.4"), ("main.3", "main.4", "--json"), ("main.4", "main.1")):
        done = await casekeeper("diff", recorded, *line)
        assert done.code == 0
        assert "scratch" not in done.out
        assert "upset" not in done.out


async def test_a_branch_is_compared_as_it_is_now(
    casekeeper: CommandLine, recorded: str, session: Session
) -> None:
    await forked(session.stores, recorded, "b1", "main.2", ProbeSection(content={"amount": 1}))

    document = (await casekeeper("diff", recorded, "b1", "main", "--json")).json()

    assert (document["before"], document["after"]) == ("b1.3", "main.4")
    amounts = {"path": "probe.content.amount", "before": 1, "after": 5000}
    assert amounts in document["changes"]
    for same in (("b1", "b1.3"), ("main.2", "b1.2"), ("main", "main.4")):
        diffs = (await casekeeper("diff", recorded, *same, "--json")).json()["changes"]
        assert diffs == []


async def test_a_branch_may_be_named_like_a_checkpoint(
    casekeeper: CommandLine, recorded: str, session: Session
) -> None:
    await forked(session.stores, recorded, "v1.2", "main.2")

    document = (await casekeeper("diff", recorded, "v1.2", "v1.2.3", "--json")).json()

    assert (document["before"], document["after"]) == ("v1.2.3", "v1.2.3")


@pytest.mark.parametrize("bad", ["", "two words", "two words.1", "b\udc80.1", "-", "main.2^"])
async def test_what_names_no_place_is_bad_input(bad: str, casekeeper: CommandLine) -> None:
    for field, pair in (("A", (bad, "main.1")), ("B", ("main.1", bad))):
        done = await casekeeper("diff", "--json", "--", "case_1", *pair)
        assert_refused_as_json(done, 2, f"{field}: ", "is neither a checkpoint such as main.4 nor")


@pytest.mark.parametrize("missing", ["7", "mian", "b9.4", "main.x", "main.-1", "main."])
async def test_what_is_neither_checkpoint_nor_branch_is_not_found(
    missing: str, casekeeper: CommandLine, recorded: str
) -> None:
    words = f"{missing} is neither a checkpoint nor a branch of {recorded}: it has main."
    for pair in ((missing, "main"), ("main.1", missing)):
        assert_refused(await casekeeper("diff", recorded, *pair), 3, words)


@pytest.mark.parametrize("missing", ["main.0", "main.5", "main.999999999"])
async def test_a_checkpoint_that_no_step_made_is_not_found(
    missing: str, casekeeper: CommandLine, recorded: str
) -> None:
    for pair in ((missing, "main.1"), ("main.1", missing)):
        done = await casekeeper("diff", recorded, *pair)
        assert_refused(done, 3, f"Case {recorded} has no checkpoint {missing}.")


async def test_two_checkpoints_are_needed(casekeeper: CommandLine) -> None:
    assert_refused(await casekeeper("diff", "case_1", "main.1"), 2, "Missing argument 'B'")
