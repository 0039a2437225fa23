"""A case that Temporal has brought to its end, and the record has not, is taken over at night."""

import dataclasses

import pytest

from activities.steps import CaseRef
from cases.approvals import ApprovalState, Verdict
from cases.effects import EffectState
from cases.state import CaseState, CaseStatus
from cases.tasks import TaskKind
from starters.promote import promote_branch
from tests.branches.lines import branch_off, lived
from tests.conftest import SmallWorld, WorkerFactory
from tests.reconciliation.endings import effects, has_done, mine
from tests.reconciliation.lost_rows import Rows, let_time_pass, put_back, rows_of
from tests.reconciliation.support import Books
from tests.workflows.promotions import forked, promoted, result_of
from tests.workflows.support import (
    BILLING,
    BOTH,
    Gate,
    Handle,
    SlowPayments,
    decided,
    ended,
    eventually,
    finish,
    parked,
    request_of,
)


@pytest.fixture
def case_id(world: SmallWorld) -> str:
    return f"case_{world.number}"


async def _lost(books: Books, case_id: str, rows: Rows) -> None:
    """What came after is gone, and that was a while ago."""
    await put_back(books.owner, case_id, rows)
    await let_time_pass(books.owner, case_id)


async def _taken_over(books: Books, world: SmallWorld, how: str) -> CaseState:
    """One run at night takes it over, another changes nothing."""
    case_id = f"case_{world.number}"
    async with books.run_worker():
        [run] = mine(await books.reconcile(2), world)
        state = await world.state()
        assert mine(await books.reconcile(2), world) == []
    assert await world.state() == state
    assert run.how == how
    assert (state.status, state.error) == ("manual_review", f"the run was {how}")
    assert state.completed_steps[-1] == "taken_over"
    assert state.pending_approvals == ()
    [task] = [t for t in await books.tasks(case_id) if t.kind is TaskKind.RUN_ENDED]
    assert "its newest rows are gone" in task.detail
    assert await books.audit_holds(case_id)
    ref = CaseRef(case_id=case_id, customer_id=world.customer_id)
    assert await books.session.stores.record.load(ref) == state
    return state


async def _parked(world: SmallWorld, case_id: str, books: Books) -> tuple[Handle, Rows]:
    """A case that waits for an approval, and has sent a reset mail; its rows."""
    await world.twins(120_000)
    handle = await world.start(BOTH)
    await parked(handle)
    await eventually(lambda: has_done(world, "reset_mail"))
    return handle, await rows_of(books.owner, case_id)


async def test_a_refund_whose_outcome_was_lost_is_found_and_its_case_a_persons_once(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    await world.twins()
    sent = Gate()
    payments = SlowPayments(books.session.stores, refund=sent)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BOTH)
        await sent.until_reached()
        await eventually(lambda: has_done(world, "reset_mail"))
        rows = await rows_of(books.owner, case_id)
        sent.open.set()
        await finish(handle)
    await put_back(books.owner, case_id, rows)
    async with books.run_worker():
        assert mine(await books.reconcile(2), world) == []  # it may be going on
        await let_time_pass(books.owner, case_id)
        assert mine(await books.reconcile(), world) == []  # not every five minutes
    await _taken_over(books, world, "completed")

    [entry] = [e for e in await effects(books, world) if e.kind == "refund"]
    assert entry.state is EffectState.SUCCEEDED
    assert len(await world.refunds()) == 1
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is None


async def test_a_case_whose_refund_is_not_on_record_at_all_is_not_undone_nor_paid_again(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        handle, rows = await _parked(world, case_id, books)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"
    await _lost(books, case_id, rows)
    await _taken_over(books, world, "completed")

    assert (await request_of(world)).state is ApprovalState.VOID
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is None
    async with run_worker():
        assert await finish(await world.start(BILLING, f"again_{world.number}")) == "answered"
    assert len(await world.refunds()) == 1


async def test_a_case_that_was_cancelled_and_whose_end_is_lost_is_a_persons(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        handle, rows = await _parked(world, case_id, books)
        await handle.cancel()
        await ended(handle)
    await _lost(books, case_id, rows)
    await _taken_over(books, world, "cancelled")

    assert (await request_of(world)).state is ApprovalState.VOID
    assert await world.refunds() == []


async def test_a_case_that_waits_for_an_approval_for_days_is_left_alone(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        handle, _ = await _parked(world, case_id, books)
        await let_time_pass(books.owner, case_id)
        assert mine(await books.reconcile(2), world) == []
        assert (await world.state()).status == "awaiting_approval"
        await decided(world, Verdict.DENIED)
        await finish(handle)

    assert await books.tasks(case_id) == []


async def test_a_case_that_temporal_does_not_know_is_left_to_who_starts_it_again(
    books: Books, number: str
) -> None:
    await books.case(number)
    case_id = f"case_{number}"
    await let_time_pass(books.owner, case_id)
    async with books.run_worker():
        report = await books.reconcile(2)

    assert case_id not in {run.case_id for run in report.ended_runs.cases}
    assert report.ended_runs.left == 0
    assert not (await books.session.stores.cases.load(case_id, "main")).status.closed
    assert await books.tasks(case_id) == []


async def test_a_branch_whose_end_is_lost_ends_and_is_nobodys_task(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        await lived("case_8842", world)
    branch, handle = await branch_off(world, 3, [])  # no worker runs
    rows = await rows_of(books.owner, case_id)
    async with run_worker():
        await finish(handle)
    await _lost(books, case_id, rows)
    async with books.run_worker():
        [run] = mine(await books.reconcile(2), world)
        assert mine(await books.reconcile(2), world) == []

    assert (run.branch, run.how) == (branch, "completed")
    state = await books.session.stores.cases.load(case_id, branch)
    assert (state.status, state.completed_steps[-1]) == (CaseStatus.CANCELLED, "taken_over")
    assert await books.tasks(case_id) == []


async def test_a_promotion_whose_end_is_lost_is_a_persons_task_and_goes_on_when_repeated(
    books: Books, world: SmallWorld, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        await lived("case_8842", world)
        await world.twins(count=1)
        branch = await forked(world, "understanding")
    sent = Gate()
    payments = SlowPayments(books.session.stores, refund=sent)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        _, handle = await promote_branch(books.session, case_id, branch)
        await decided(world, Verdict.APPROVED)
        await sent.until_reached()
        rows = await rows_of(books.owner, case_id)
        sent.open.set()
        assert (await result_of(handle)).state == "promoted"
    await _lost(books, case_id, rows)
    async with books.run_worker():
        [run] = mine(await books.reconcile(2), world)
        assert mine(await books.reconcile(2), world) == []

    assert run.promotion
    [task] = [t for t in await books.tasks(case_id) if t.kind is TaskKind.RUN_ENDED]
    assert f"`casekeeper promote {case_id}@{branch}`" in task.detail
    async with run_worker():
        _, result = await promoted(world, branch)
    assert result.state == "promoted"
    assert len(await world.refunds()) == 2
