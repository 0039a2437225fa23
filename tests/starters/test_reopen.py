"""A refund fails at the bank days later: one person opens the case again, another approves."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta

import pytest

from cases.effects import EffectKind, EffectState
from cases.state import CaseState
from gateways.sandbox.clock import Clock, advance
from starters.reopen import next_ids
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused
from tests.workflows.support import eventually, parked

TWICE = "You billed me twice."


@pytest.fixture
async def two_hours_later(session: Session) -> AsyncGenerator[Callable[[], Awaitable[Clock]]]:
    """Puts the sandbox's clock ahead, and back when the test is over."""
    pool = session.stores.sandbox
    yield lambda: advance(pool, timedelta(hours=2))
    await pool.execute("UPDATE sandbox.clock SET ahead = '0'")


async def refunds_of(session: Session, *case_ids: str) -> list[EffectState]:
    """What the ledger says of the cases' refunds."""
    effects = [e for one in case_ids for e in await session.stores.ledger.of_case(one, "main")]
    return [effect.state for effect in effects if effect.kind is EffectKind.REFUND]


async def test_what_failed_at_the_bank_is_paid_by_a_second_attempt_and_only_with_approval(  # noqa: PLR0917
    casekeeper: CommandLine,
    world: SmallWorld,
    run_worker: WorkerFactory,
    case_id: str,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    two_hours_later: Callable[[], Awaitable[Clock]],
) -> None:
    await world.twins(script=["fail_later"])
    again = f"{case_id}.r2"
    async with run_worker():
        first = await world.start(TWICE, case_id)
        assert (await first.result()).status == "answered"
        assert "requested a refund" in (await world.mails("answer"))[0]["body"]
        assert await refunds_of(session, case_id) == [EffectState.PENDING]

        await two_hours_later()
        await casekeeper("reconcile", "--days", "1")
        assert await refunds_of(session, case_id) == [EffectState.FAILED]
        shown = await casekeeper("show", case_id)
        assert "Since then the refund of 49.99 USD of " in shown.out
        inbox = await casekeeper("approvals", "--json")
        assert any(task["case_id"] == case_id for task in inbox.json()["tasks"])

        opened = await casekeeper("reopen", case_id, "--by", "lead")
        assert opened.out == f"Case {case_id} is looked into again as {again}.\n"
        second = session.handle(again)
        await parked(second)
        assert (await casekeeper("approve", again)).code == 1  # lead has asked for it

        token = await session.stores.approvers.add(f"sue-{world.number}", {"USD": 10_000})
        assert token
        monkeypatch.setenv("CASEKEEPER_APPROVER_TOKEN", token)
        done = await casekeeper("approve", again)
        assert done.code == 0, done
        assert (await second.result()).status == "answered"

    assert await refunds_of(session, case_id, again) == [
        EffectState.FAILED,
        EffectState.SUCCEEDED,
    ]
    assert [refund["status"] for refund in await world.refunds()] == ["failed", "succeeded"]
    assert await session.stores.audit.verify(again, "main") == []


async def test_an_open_case_is_not_opened_again(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.twins(120_000)
    async with run_worker():
        await parked(await world.start(TWICE, case_id))
        refused = await casekeeper("reopen", case_id, "--by", "kim")

    assert_refused(refused, 4, f"Case {case_id} is open: `casekeeper say` adds to it.")


async def test_what_was_paid_is_not_paid_again_however_often_a_case_is_opened(
    casekeeper: CommandLine,
    world: SmallWorld,
    run_worker: WorkerFactory,
    case_id: str,
    session: Session,
) -> None:
    await world.twins()
    async with run_worker():
        await (await world.start(TWICE, case_id)).result()
        for number in (2, 3):
            opened = await casekeeper("reopen", case_id, "--by", "kim", "--json")
            assert opened.json()["case_id"] == f"{case_id}.r{number}"
            await session.handle(f"{case_id}.r{number}").result()

    assert len(await world.refunds()) == 1

    async def noted() -> CaseState | None:
        trail = await session.stores.audit.trail(f"{case_id}.r3", "main")
        found = any(row.event == "case_reopened" and row.actor == "kim" for row in trail)
        return await world.state(f"{case_id}.r3") if found else None

    assert await eventually(noted)


@pytest.mark.parametrize(
    ("case_id", "first"),
    [("case_7", "case_7.r2"), ("case_7.r2", "case_7.r3"), ("x" * 64, "x" * 60 + ".r2")],
)
def test_a_case_that_is_opened_again_is_numbered(case_id: str, first: str) -> None:
    assert next_ids(case_id)[0] == first
