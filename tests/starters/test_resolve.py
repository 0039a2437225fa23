"""`resolve`: a person finishes a task, once, by a token, and says what they found out."""

import pytest

from cases.effects import EffectState, Outcome
from cases.tasks import TaskKind
from starters.session import Session
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.support import intent, opened, order

AS_LEAD = ("--by", "lead", "--note", "asked the provider")


@pytest.fixture
async def task(session: Session, number: str) -> str:
    """Something that needs a person, without a case."""
    made = await session.stores.tasks.open(TaskKind.DIFFERENCE, f"re_{number}", "only there")
    assert made
    return made


@pytest.fixture
async def unknown(session: Session, case_id: str, number: str) -> tuple[str, str]:
    """The key of a refund of which nobody knows what became of it, and the task about it."""
    stores = session.stores
    made = intent(await opened(stores, case_id), order(number))
    await stores.ledger.claim(made)
    await stores.ledger.settle_alone(made, Outcome(state=EffectState.UNKNOWN))
    task_id = await stores.tasks.open(
        TaskKind.EFFECT_UNKNOWN, made.key, "no answer", case=(case_id, "main")
    )
    assert task_id
    return made.key, task_id


async def test_a_task_is_finished_once_and_the_inbox_lists_it_no_more(
    casekeeper: CommandLine, task: str
) -> None:
    done = await casekeeper("resolve", task, *AS_LEAD, "--json")

    expected = {"task_id": task, "finished_by": "lead", "outcome": None, "receipt": None}
    assert done.json() == expected
    waiting = (await casekeeper("approvals", "--json")).json()["tasks"]
    assert task not in [one["task_id"] for one in waiting]
    assert_refused(await casekeeper("resolve", task, *AS_LEAD), 4, "already finished by lead")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (("paid", "--receipt", "re_found"), ("succeeded", "re_found")),
        (("paid",), ("succeeded", None)),
        (("unpaid",), ("rejected", None)),
    ],
)
async def test_a_person_says_what_became_of_an_effect(
    casekeeper: CommandLine,
    session: Session,
    unknown: tuple[str, str],
    line: tuple[str, ...],
    found: tuple[str, str | None],
) -> None:
    key, task_id = unknown
    done = await casekeeper("resolve", task_id, *AS_LEAD, "--outcome", *line)

    assert done.out.split() == f"Task {task_id} is finished by lead: {line[0]}.".split()
    effect = await session.stores.ledger.find(key)
    assert effect
    assert (effect.state.value, effect.receipt) == found
    trail = await session.stores.audit.trail(effect.case_id, "main")
    assert ("lead", "task_finished") in [(row.actor, row.event) for row in trail]
    assert await session.stores.audit.verify(effect.case_id, "main") == []


async def test_only_an_effect_whose_outcome_is_not_known_takes_one(
    casekeeper: CommandLine, task: str
) -> None:
    done = await casekeeper("resolve", task, *AS_LEAD, "--outcome", "paid")
    assert_refused(done, 2, "outcome: only an effect whose outcome is not known takes one")
    assert (await casekeeper("resolve", task, *AS_LEAD)).code == 0


async def test_a_task_that_is_not_there_is_not_found(casekeeper: CommandLine) -> None:
    words = "There is no task no_such_task."
    assert_refused(await casekeeper("resolve", "no_such_task", *AS_LEAD), 3, words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("task_1",), "Missing option '--note'"),
        (("task_1", "--note", " "), "--note: is empty"),
        (("a b", "--note", "x"), "TASK: 'a b' is not an id"),
        (("task_1", "--note", "x", "--outcome", "maybe"), "--outcome"),
        (("task_1", "--note", "x", "--receipt", "re_1"), "--receipt: goes with --outcome paid"),
        (
            ("task_1", "--note", "x", "--outcome", "unpaid", "--receipt", "re_1"),
            "--receipt: goes with --outcome paid only",
        ),
    ],
)
async def test_what_cannot_be_used_is_named(
    line: tuple[str, ...], words: str, casekeeper: CommandLine
) -> None:
    assert_refused(await casekeeper("resolve", *line), 2, words)
    assert_refused_as_json(await casekeeper("resolve", *line, "--json"), 2, words)


async def test_nobody_without_a_token_finishes_a_task(
    casekeeper: CommandLine, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", "ckt_forged")
    done = await casekeeper("resolve", task, "--note", "mine")
    assert_refused(done, 1, "CASEKEEPER_APPROVER_TOKEN belongs to no approver")
    monkeypatch.delenv("CASEKEEPER_APPROVER_TOKEN")
    assert (await casekeeper("resolve", task, *AS_LEAD)).code == 0
