"""`casekeeper fork`: a branch of a case, begun as a person says it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cases.branches import BranchExists, Fork
from cases.ids import MAIN, workflow_id
from cases.sections import Section
from starters.fork import fork_case
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.samples import duplicates, order, usd
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.forks import go_on
from tests.stores.support import opened, step
from tests.workflows.support import BOTH, eventually, finish
from workflows.case_file import CASE_BRANCH, CASE_STATUS

BILLING = duplicates(order(amount=usd("49.99")))


@pytest.fixture
async def known(session: Session, case_id: str) -> str:
    """A case on record, whose second step is billing's."""
    await go_on(session.stores, await opened(session.stores, case_id), step("billing:1", BILLING))
    return case_id


@pytest.fixture
async def run_to_end(world: SmallWorld, run_worker: WorkerFactory) -> str:
    """A case that was paid and answered."""
    await world.twins(4999)
    async with run_worker():
        assert await finish(await world.start(BOTH)) == "answered"
    return f"case_{world.number}"


async def names(session: Session, case_id: str) -> list[str]:
    return [line.branch for line in await session.stores.branches.tree(case_id)]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (["--at", "nonsense"], 2, "checkpoint: 'nonsense' is not a checkpoint id such as main.7"),
        (["--at", "main."], 2, "checkpoint: 'main.' is not"),
        (["--at", "b 1.2"], 2, "checkpoint: 'b 1' is not an id"),
        (["--at", "main.0"], 3, "has no checkpoint main.0."),
        (["--at", "main.3"], 3, "has no checkpoint main.3."),
        (["--at", "b7.3"], 3, "on branch b7."),
        (["--at", "main.2", "--as", MAIN], 2, "--as: the main line has that name"),
        (["--at", "main.2", "--as", "a/b"], 2, "--as: 'a/b' is not an id"),
        (["--at", "main.2", "--by", "kim lee"], 2, "--by: 'kim lee' is not an id"),
        (["--at", "main.2", "--set", "billing.status"], 2, "--set: 'billing.status' is not of"),
        (["--at", "main.2", "--set", "=1"], 2, "--set: "),
        (["--at", "main.2", "--set", "weather.now=1"], 2, "there is no section 'weather'"),
        (["--at", "main.1", "--set", "billing.status=x"], 2, "billing is not written yet"),
        (["--at", "main.2", "--set", "billing.mood=x"], 2, "there is no 'mood', only "),
        (["--at", "main.2", "--set", "billing.refundable=a lot"], 2, "billing.refundable: "),
        (["--at", "main.2", "--set", "billing.status=x", "--set", "billing.status=y"], 2, "twice"),
        (["--at", "main.2", "--set-file", "/nowhere/edits.json"], 2, "cannot be read: No such"),
    ],
    ids=str,
)
async def test_what_cannot_be_forked_is_refused_in_a_sentence_and_nothing_is_put_on_record(  # noqa: PLR0917  fixtures
    line: list[str],
    code: int,
    words: str,
    casekeeper: CommandLine,
    session: Session,
    known: str,
) -> None:
    assert_refused(await casekeeper("fork", known, *line), code, words)
    assert_refused_as_json(await casekeeper("fork", known, *line, "--json"), code, words)
    assert await names(session, known) == [MAIN]


async def test_without_a_checkpoint_it_says_that_one_is_missing(casekeeper: CommandLine) -> None:
    assert_refused(await casekeeper("fork", "case_1"), 2, "Missing option '--at'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "--set-file: cannot be used"),
        (b'["policy.decision"]', "--set-file: is not one JSON object"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"policy": 1', "--set-file: cannot be used"),
        (b'{"weather.now": 1}', "there is no section 'weather'"),
    ],
)
async def test_a_file_of_edits_that_cannot_be_used_is_refused(  # noqa: PLR0917  fixtures
    content: bytes,
    words: str,
    casekeeper: CommandLine,
    session: Session,
    known: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "edits.json"
    file.write_bytes(content)

    refused = await casekeeper("fork", known, "--at", "main.2", "--set-file", str(file))
    assert_refused(refused, 2, words)
    assert await names(session, known) == [MAIN]


async def test_a_branch_is_begun_with_all_edits_and_machines_are_told_where(
    casekeeper: CommandLine, session: Session, known: str, tmp_path: Path
) -> None:
    file = tmp_path / "edits.json"
    file.write_text("\ufeff" + json.dumps({"request.text": "Other words."}), "utf-8")

    edits = ("--set", "billing.refundable=40.00", "--set-file", str(file))
    done = await casekeeper("fork", known, "--at", "main.2", *edits, "--by", "kim", "--json")

    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert (found["case_id"], found["branch"]) == (known, "b1")
    assert found["workflow_id"] == workflow_id(known, "b1") == f"{known}@b1"
    assert found["parent_checkpoint_id"] == "main.2"
    assert found["run_id"] == await session.run_id(known, "b1")
    state = await session.stores.cases.load(known, "b1")
    [wanted] = (BILLING.orders[0].model_copy(update={"amount": usd("40.00")}),)
    changed: dict[str, Any] = {"refundable": usd("40.00"), "orders": (wanted,)}
    assert state.sections == {"billing": BILLING.model_copy(update=changed)}
    assert state.request
    assert state.request.text == "Other words."
    [_, branch] = await session.stores.branches.tree(known)
    assert branch.forked_by == "kim"


async def test_people_are_told_the_name_and_how_to_look_at_it(
    casekeeper: CommandLine, known: str
) -> None:
    done = await casekeeper("fork", known, "--at", "main.1", "--as", "what-if")

    said = " ".join(done.out.split())
    assert f"Branch what-if of {known} goes on after main.1." in said
    assert f"`casekeeper show {known} --branch what-if`" in said
    assert done.code == 0


async def test_branches_are_found_by_their_search_attribute(
    session: Session, casekeeper: CommandLine, known: str
) -> None:
    await casekeeper("fork", known, "--at", "main.2", "--as", f"x-{known}")

    found = (await session.handle(known, f"x-{known}").describe()).typed_search_attributes
    assert found.get(CASE_BRANCH) == f"x-{known}"
    assert found.get(CASE_STATUS) == "received"

    async def listed() -> list[str]:
        query = f"CaseBranch = 'x-{known}'"
        return [run.id async for run in session.temporal.list_workflows(query)]

    assert await eventually(listed) == [f"{known}@x-{known}"]


async def test_names_are_given_in_order_also_when_many_fork_at_once(
    session: Session, known: str
) -> None:
    begun = await asyncio.gather(
        *(fork_case(session, known, (MAIN, 2), [], by="kim") for _ in range(5))
    )

    assert sorted(one["branch"] for one in begun) == ["b1", "b2", "b3", "b4", "b5"]
    assert await session.run_id(known, "b5")
    third = await fork_case(session, known, ("b3", 3), [])
    assert third["branch"] == "b6"


async def test_a_name_that_is_taken_is_refused_with_whatever_edits(
    casekeeper: CommandLine, session: Session, known: str
) -> None:
    taken = ("fork", known, "--at", "main.2", "--as", "mine")
    assert (await casekeeper(*taken)).code == 0

    again = (*taken, "--set", "billing.refundable=40.00")
    for line in (taken, again, ("fork", known, "--at", "main.1", "--as", "mine")):
        assert_refused(await casekeeper(*line), 4, f"Case {known} has a branch mine already.")
    own = ("fork", known, "--at", "mine.3", "--as", "mine")
    assert_refused(await casekeeper(*own), 4, f"Case {known} has a branch mine already.")
    assert await names(session, known) == [MAIN, "mine"]


async def test_of_many_who_take_one_name_at_once_one_has_it(session: Session, known: str) -> None:
    begun = await asyncio.gather(
        *(fork_case(session, known, (MAIN, 2), [], name="mine") for _ in range(5)),
        return_exceptions=True,
    )

    assert sum(isinstance(one, dict) for one in begun) == 1
    assert sum(isinstance(one, BranchExists) for one in begun) == 4
    assert await names(session, known) == [MAIN, "mine"]


async def _on_record(session: Session, case_id: str, *edited: Section, version: int = 2) -> None:
    """As a fork leaves it that was cut off before its run began."""
    wanted = Fork(
        case_id=case_id,
        branch="mine",
        parent_branch=MAIN,
        parent_version=version,
        by="kim",
        sections={one.name: one for one in edited},
    )
    await session.stores.branches.fork(wanted)


async def test_a_start_that_was_cut_off_is_repeated_by_its_name(
    casekeeper: CommandLine, session: Session, known: str
) -> None:
    edited = BILLING.model_copy(update={"status": "edited"})
    await _on_record(session, known, edited)
    elsewhere = ("fork", known, "--at", "main.1", "--as", "mine")
    assert_refused(await casekeeper(*elsewhere), 4, "has a branch mine already")
    assert await session.run_id(known, "mine") is None

    done = await casekeeper("fork", known, "--at", "main.2", "--as", "mine", "--json")

    assert done.code == 0
    assert done.json()["run_id"] == await session.run_id(known, "mine")
    state = await session.stores.cases.load(known, "mine")
    assert state.sections == {"billing": edited}  # what is on record stands
    assert await names(session, known) == [MAIN, "mine"]


async def test_a_branch_that_has_ended_on_record_ends_at_once_if_it_is_begun_again(
    session: Session, run_to_end: str, run_worker: WorkerFactory
) -> None:
    """As when Temporal has forgotten its run."""
    version = (await session.stores.cases.load(run_to_end, MAIN)).version
    await _on_record(session, run_to_end, version=version)
    before = await session.stores.cases.load(run_to_end, "mine")

    await fork_case(session, run_to_end, (MAIN, version), [], name="mine")
    async with run_worker():
        assert await finish(session.handle(run_to_end, "mine")) == "answered"
    assert await session.stores.cases.load(run_to_end, "mine") == before


async def test_it_waits_for_the_end_and_shows_what_became_of_each_effect(
    casekeeper: CommandLine, run_worker: WorkerFactory, run_to_end: str, session: Session
) -> None:
    version = (await session.stores.cases.load(run_to_end, MAIN)).completed_steps.index("policy:1")
    at = f"main.{version + 1}"
    edit = ("--set", "policy.amount=40.00")
    async with run_worker():
        done = await casekeeper("fork", run_to_end, "--at", at, *edit, "--wait", "--json")
        shown = await casekeeper("fork", run_to_end, "--at", at, "--wait")

    view = done.json()
    assert (view["branch"], view["status"]) == ("b1", "answered")
    modes = {effect["kind"]: effect["mode"] for effect in view["effects"]}
    assert modes == {"refund": "conflict", "reset_mail": "adopted", "answer": "conflict"}
    seen = (await casekeeper("show", run_to_end, "--branch", "b1")).out
    said = " ".join(seen.split())
    for line in (*shown.out.splitlines(), *seen.splitlines()):
        assert len(line) <= 80 or line.startswith("http")
    assert f"{run_to_end}, branch b1 answered" in said
    refund = "Refund of 40.00 USD: otherwise than the main line did it, so only simulated."
    assert refund in said
    assert "Reset mail: as the main line did it." in said
    assert (await casekeeper("show", run_to_end, "--branch", "b1", "--json")).json() == view
    adopted = " ".join((await casekeeper("show", run_to_end, "--branch", "b2")).out.split())
    assert "Refund of 49.99 USD: as the main line did it." in adopted
