"""`casekeeper diff`: what changed between two checkpoints."""

import pytest

from cases.diff import diff
from cases.state import StepUpdate
from starters.session import Session
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.support import ProbeSection, commit, opened, request, step


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


async def test_the_two_may_be_of_different_branches(
    casekeeper: CommandLine, recorded: str, session: Session
) -> None:
    await session.stores.cases.open(recorded, "what-if", f"cus_{recorded}", request("Hello?"))

    done = await casekeeper("diff", recorded, "main.1", "what-if.1", "--json")

    changed = {change["path"] for change in done.json()["changes"]}
    assert changed == {"messages[0].text", "messages[0].received_at"}


@pytest.mark.parametrize("bad", ["7", "main", "main.x", "main.-1", "two words.1", "b\udc80.1", ""])
async def test_what_is_no_checkpoint_id_is_bad_input(bad: str, casekeeper: CommandLine) -> None:
    for pair in ((bad, "main.1"), ("main.1", bad)):
        done = await casekeeper("diff", "--json", "--", "case_1", *pair)
        assert_refused_as_json(done, 2, "checkpoint: ")


@pytest.mark.parametrize("missing", ["main.0", "main.5", "main.999999999"])
async def test_a_checkpoint_that_no_step_made_is_not_found(
    missing: str, casekeeper: CommandLine, recorded: str
) -> None:
    for pair in ((missing, "main.1"), ("main.1", missing)):
        done = await casekeeper("diff", recorded, *pair)
        assert_refused(done, 3, f"Case {recorded} has no checkpoint {missing}.")


async def test_two_checkpoints_are_needed(casekeeper: CommandLine) -> None:
    assert_refused(await casekeeper("diff", "case_1", "main.1"), 2, "Missing argument 'B'")
