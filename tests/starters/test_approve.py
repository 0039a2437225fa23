"""`approve` and `deny`: who decides is proven by a token, and each refusal is on record."""

import stat
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from starters.migrate import make_ready
from starters.session import Session
from starters.tokens import save_token
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json


@pytest.fixture
async def parked(
    world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> AsyncGenerator[WorkflowHandle[Any, Any]]:
    """A case of 1,200.00 USD that waits for a person; a worker runs."""
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start("You billed me twice.", case_id)
        while not (await handle.query("pending_approvals")):
            pass
        yield handle


async def refusals(session: Session, case_id: str) -> list[tuple[str, str]]:
    trail = await session.stores.audit.trail(case_id, "main")
    refused = [row for row in reversed(trail) if row.event == "decision_refused"]
    return [(row.actor, row.detail) for row in refused]


async def test_an_approved_case_is_answered_and_a_second_decision_names_the_winner(
    casekeeper: CommandLine, parked: WorkflowHandle[Any, Any], case_id: str, session: Session
) -> None:
    inbox = (await casekeeper("approvals", "--json")).json()["approvals"]
    [request] = [one for one in inbox if one["case_id"] == case_id]
    assert request["amount"] == {"amount_minor": 120_000, "currency": "USD"}

    done = await casekeeper("approve", case_id, "--note", "two equal charges")
    assert done.out == f"Refund of 1200.00 USD in {case_id}: approved by lead.\n"
    winner = f"The approval request of case {case_id} was already approved by lead."
    assert_refused(await casekeeper("approve", case_id), 4, winner)
    assert (await parked.result()).status == "answered"
    assert_refused(await casekeeper("approve", case_id), 4, winner)
    assert_refused_as_json(await casekeeper("deny", case_id, "--json"), 4, winner)
    assert [actor for actor, _ in await refusals(session, case_id)] == ["lead"] * 3
    shown = await casekeeper("show", case_id)
    assert "1200.00 USD: approved by lead: two equal charges" in shown.out


async def test_a_denied_case_is_rejected_and_pays_nothing(
    casekeeper: CommandLine, parked: WorkflowHandle[Any, Any], case_id: str, world: SmallWorld
) -> None:
    done = await casekeeper("deny", case_id, "--note", "two real purchases", "--json")
    assert done.json()["state"] == "denied"
    assert done.json()["decided_by"] == "lead"
    assert (await parked.result()).status == "rejected"
    assert await world.refunds() == []
    assert len(await world.mails("answer")) == 1
    assert_refused(await casekeeper("approve", case_id), 4, "was already denied by lead")


async def test_a_closed_case_takes_no_decision_and_that_is_on_record(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str,
    session: Session,
) -> None:  # fmt: skip
    await world.twins(4999)
    async with run_worker():
        await (await world.start("I was charged twice.", case_id)).result()
    assert_refused(await casekeeper("approve", case_id), 4, f"Case {case_id} is closed (answered)")
    assert await refusals(session, case_id) == [("lead", f"Case {case_id} is closed (answered).")]


async def test_an_open_case_that_asks_nobody_has_nothing_to_approve(
    casekeeper: CommandLine, world: SmallWorld, case_id: str
) -> None:
    await world.start("Hello?", case_id)
    assert_refused(await casekeeper("approve", case_id), 3, "has no approval request")


async def test_without_a_token_nobody_decides(
    casekeeper: CommandLine,
    parked: WorkflowHandle[Any, Any],
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case_id = parked.id
    unknown = "There is no token of an approver 'mallory' here. It has that of lead."
    assert_refused(await casekeeper("approve", case_id, "--by", "mallory"), 1, unknown)
    monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", "ckt_forged")
    forged = "The token in CASEKEEPER_APPROVER_TOKEN belongs to no approver."
    assert_refused_as_json(await casekeeper("approve", case_id, "--json"), 1, forged)
    monkeypatch.delenv("CASEKEEPER_APPROVER_TOKEN")
    use_stack(monkeypatch, session)
    monkeypatch.setenv("CASEKEEPER_HOME", str(tmp_path))
    none = "There is no approver's token here: set CASEKEEPER_APPROVER_TOKEN"
    assert_refused(await casekeeper("approve", case_id), 1, none)

    assert [actor for actor, _ in await refusals(session, case_id)] == ["unknown"] * 3
    assert await parked.query("pending_approvals")


async def test_the_token_of_the_environment_decides(
    casekeeper: CommandLine,
    parked: WorkflowHandle[Any, Any],
    case_id: str,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = await session.stores.approvers.add(f"ann-{case_id}", {"USD": 200_000})
    assert token
    monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", token)
    done = await casekeeper("approve", case_id, "--json")
    assert done.json()["decided_by"] == f"ann-{case_id}"
    await parked.result()


async def test_where_several_tokens_lie_one_says_who_decides(
    casekeeper: CommandLine,
    parked: WorkflowHandle[Any, Any],
    case_id: str,
    session: Session,
    home: Path,
) -> None:
    name = f"bo-{case_id}"
    token = await session.stores.approvers.add(name, {"USD": 1000})
    assert token
    saved = save_token(home, name, token)
    try:
        done = await casekeeper("approve", case_id)
        assert_refused(done, 2, f"--by: say who decides: {name}, lead")
        above = f"1200.00 USD is above the limit of {name}."
        assert_refused(await casekeeper("approve", case_id, "--by", name), 1, above)
        assert (await casekeeper("approve", case_id, "--by", "lead")).code == 0
    finally:
        saved.unlink()
    assert await refusals(session, case_id) == [(name, above)]
    await parked.result()


async def test_a_token_file_is_for_its_owner_only_and_never_overwritten(
    tmp_path: Path, session: Session
) -> None:
    first = save_token(tmp_path, "lead", "one")
    second = save_token(tmp_path, "lead", "two")
    assert [first.read_text(), second.read_text()] == ["one\n", "two\n"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (first, second)} == {0o600}
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert (await make_ready(session.servers, tmp_path))["token_file"] is None


def use_stack(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    """Name the session's servers in the environment, as production does."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", session.servers.temporal_address)
    monkeypatch.setenv("DATABASE_URL", session.servers.database_url)
    monkeypatch.setenv("REDIS_URL", session.servers.redis_url)
    monkeypatch.setenv("CASEKEEPER_CUSTOMER_KEYS", str(session.servers.customer_keys))


async def test_what_looks_like_markup_in_a_note_is_shown_as_it_is(
    casekeeper: CommandLine, parked: WorkflowHandle[Any, Any], case_id: str
) -> None:
    await casekeeper("approve", case_id, "--note", "two [/bold] charges")
    await parked.result()

    for command in ("show", "audit"):
        shown = await casekeeper(command, case_id)
        assert shown.code == 0, shown
    assert "two [/bold] charges" in " ".join((await casekeeper("show", case_id)).out.split())
