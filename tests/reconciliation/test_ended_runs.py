"""A case whose run was ended from outside is taken over: settled, undone, closed, a person's."""

import dataclasses
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from temporalio.client import Client

from cases.approvals import ApprovalState, Verdict
from cases.effects import EffectState
from cases.ids import MAIN
from cases.ports import EndedRun
from cases.tasks import TaskKind
from runtime.runs import TemporalRuns
from tests.conftest import SmallWorld, WorkerFactory
from tests.reconciliation.endings import (
    Down,
    PaysUnseen,
    Stubborn,
    effects,
    has_done,
    mine,
    reconciled_twice,
    taken_over,
    terminated,
    trail,
)
from tests.reconciliation.support import Books
from tests.workflows.support import (
    BILLING,
    BOTH,
    Gate,
    SlowModel,
    SlowPayments,
    decided,
    eventually,
    parked,
    request_of,
)
from workers.composition import reconciliation


async def test_a_case_that_was_terminated_before_anything_is_taken_over(
    books: Books, world: SmallWorld, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await world.twins()
    handle = await world.start(BILLING)  # no worker runs
    await terminated(handle, client)
    with caplog.at_level(logging.ERROR):
        await reconciled_twice(books, world)

    state = await taken_over(world, books)
    assert state.completed_steps == ("open", "taken_over")
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("had ended before the case" in alarm for alarm in alarms)


async def test_a_parked_case_that_was_terminated_withdraws_its_request_and_its_reset_mail(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        await world.until_mailed("reset")
        await eventually(lambda: has_done(world, "reset_mail"))
        await terminated(handle, client)
    await reconciled_twice(books, world)

    await taken_over(world, books)
    assert (await request_of(world)).state is ApprovalState.VOID
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is not None
    undone = [line for line in await trail(books, world) if "compensation_done" in line]
    registered = [line for line in await trail(books, world) if "compensation_registered" in line]
    names = [line.split()[1] for line in undone]
    assert names == [line.split()[1] for line in reversed(registered)]
    assert len(names) == 2
    assert await world.refunds() == []
    with pytest.raises(Exception, match=r"closed|expired|void"):
        await decided(world, Verdict.APPROVED)


async def test_what_cannot_be_undone_is_a_persons_task_and_the_rest_is_undone(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BOTH)
        await parked(handle)
        await eventually(lambda: has_done(world, "reset_mail"))
        await terminated(handle, client)
    await reconciled_twice(books, world, accounts=Stubborn(books.session.stores.sandbox))

    await taken_over(world, books)
    assert (await request_of(world)).state is ApprovalState.VOID
    tasks = {task.kind: task for task in await books.tasks(f"case_{world.number}")}
    assert set(tasks) == {TaskKind.RUN_ENDED, TaskKind.COMPENSATION_FAILED}
    assert "no_reset_revoked" in tasks[TaskKind.COMPENSATION_FAILED].detail


async def test_a_refund_that_was_made_unseen_is_settled_and_nothing_is_undone(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins()
    answered = Gate()
    payments = PaysUnseen(books, answered)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BOTH)
        await answered.until_reached()
        await eventually(lambda: has_done(world, "reset_mail"))
        await terminated(handle, client)
        answered.open.set()
    await reconciled_twice(books, world)

    await taken_over(world, books)
    [entry] = [e for e in await effects(books, world) if e.kind == "refund"]
    assert entry.state is EffectState.SUCCEEDED
    assert len(await world.refunds()) == 1
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is None


async def test_a_refund_that_was_claimed_and_never_sent_is_looked_for_twice_and_handed_over(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins()
    sent = Gate()
    payments = SlowPayments(books.session.stores, refund=sent)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BOTH)
        await sent.until_reached()
        await eventually(lambda: has_done(world, "reset_mail"))
        await terminated(handle, client)
    await reconciled_twice(books, world)

    await taken_over(world, books)
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is None  # nobody knows yet whether the refund moved
    [entry] = [e for e in await effects(books, world) if e.kind == "refund"]
    assert entry.state is EffectState.SENDING
    await books.owner.execute(
        "UPDATE effects SET not_found_at = not_found_at - interval '2 minutes', "
        "claimed_at = claimed_at - interval '5 minutes' WHERE key = $1",
        entry.key,
    )
    async with books.run_worker():
        await books.reconcile(2)
        await books.owner.execute(
            "UPDATE effects SET not_found_at = not_found_at - interval '2 minutes' WHERE key = $1",
            entry.key,
        )
        await books.reconcile(2)
    assert TaskKind.EFFECT_UNKNOWN in {t.kind for t in await books.tasks(f"case_{world.number}")}
    [entry] = [e for e in await effects(books, world) if e.kind == "refund"]
    assert entry.state is EffectState.UNKNOWN


async def test_after_its_refund_a_case_is_taken_over_without_undoing_anything(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins()
    written = Gate()
    model = SlowModel(write=written)
    async with run_worker(gateways=dataclasses.replace(books.gateways, model=model)):
        handle = await world.start(BOTH)
        await written.until_reached()
        await terminated(handle, client)
    await reconciled_twice(books, world)

    await taken_over(world, books)
    [task] = await books.tasks(f"case_{world.number}")
    assert "The customer has no answer" in task.detail
    assert "refund of 49.99 USD" in task.detail
    assert len(await world.refunds()) == 1
    [mail] = await world.mails("reset")
    assert mail["revoked_at"] is None


async def test_a_reconciler_that_died_after_it_closed_a_case_tells_a_person_the_next_time(
    books: Books, world: SmallWorld, client: Client
) -> None:
    await world.twins()
    await terminated(await world.start(BILLING), client)
    async with books.run_worker():
        await books.reconcile()
        await books.owner.execute("DELETE FROM tasks WHERE case_id = $1", f"case_{world.number}")
        assert len(mine(await books.reconcile(), world)) == 1
        assert mine(await books.reconcile(), world) == []

    await taken_over(world, books)


async def test_a_run_that_ended_before_its_case_was_on_record_is_a_persons_task(
    books: Books, client: Client, number: str
) -> None:
    handle = await client.start_workflow(
        "SupportCase",
        {"customer_id": f"cus_{number}", "text": "I was charged twice."},
        id=f"case_{number}",
        task_queue="support-cases",
    )
    await terminated(handle, client)
    async with books.run_worker():
        for days in (0, 0, 2):
            await books.reconcile(days)

    waiting = await books.session.stores.tasks.waiting()
    [task] = [task for task in waiting if task.subject == f"case_{number}/main"]
    assert task.kind is TaskKind.RUN_ENDED
    assert "before its case was on record" in task.detail


async def test_a_case_that_goes_on_in_another_run_is_left_alone(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await terminated(handle, client)
        again = await client.start_workflow(
            "SupportCase",
            {"customer_id": world.customer_id},
            id=handle.id,
            task_queue="support-cases",
        )
        await parked(again)
        assert mine(await books.reconcile(2), world) == []
        assert (await world.state()).status == "awaiting_approval"
        await decided(world, Verdict.DENIED)
        await again.result()

    assert (await request_of(world)).state is ApprovalState.DENIED
    assert await books.tasks(f"case_{world.number}") == []


async def test_a_case_that_was_started_again_while_it_was_looked_at_is_left_to_its_run(
    books: Books,
    world: SmallWorld,
    client: Client,
    run_worker: WorkerFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = EndedRun(case_id=f"case_{world.number}", branch=MAIN, how="terminated")

    def runs(_: Client | None = None) -> Outdated:
        return Outdated(client, ended)

    monkeypatch.setattr("workers.composition.TemporalRuns", runs)
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        takeover = reconciliation(books.session.stores, books.gateways).takeover
        report = await takeover.take_over_all(datetime.now(UTC))
        assert (await request_of(world)).state is ApprovalState.PENDING
        await handle.terminate("the test ends")

    assert report.taken_over == 0
    assert not (await world.state()).status.closed


class Outdated(TemporalRuns):
    """Has not heard yet that the case goes on."""

    def __init__(self, client: Client, ended: EndedRun) -> None:
        super().__init__(client)
        self._ended = ended

    async def ended_since(self, since: datetime) -> AsyncIterator[EndedRun]:
        assert since
        yield self._ended


async def test_a_case_whose_outside_does_not_answer_is_taken_over_the_next_time(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins()
    answered = Gate()
    payments = PaysUnseen(books, answered)
    async with run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        handle = await world.start(BILLING)
        await answered.until_reached()
        await terminated(handle, client)
        answered.open.set()
    down = dataclasses.replace(books.gateways, payments=Down(books.session.stores))
    async with books.run_worker(gateways=down):
        report = await books.reconcile()
    assert report.ended_runs.left == 1
    assert report.needs_person
    assert not (await world.state()).status.closed

    await reconciled_twice(books, world)
    await taken_over(world, books)
