"""The workflow of the reconciliation: its parts, its history, and what a failing part stops."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from cases.effects import EffectIntent, EffectState, Outcome, ProviderRefund
from cases.errors import InvalidInput
from cases.reconciliation import ReconcileTask
from gateways.sandbox.payments import SandboxPayments
from tests.reconciliation.support import Books
from workers.main import TASK_QUEUE, sandbox_runner
from workflows.reconcile import ReconcileWorkflow


class Broken(SandboxPayments):
    """Answers what no retry can mend."""

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        raise InvalidInput("payments", f"cannot be asked of {intent.kind}")


async def test_a_part_that_fails_stops_no_other_and_is_said_at_the_end(
    books: Books, number: str, client: Client
) -> None:
    made = await books.case(f"broken{number}")
    await books.claim(made, ago=timedelta(minutes=5))
    handle = await client.start_workflow(
        "SupportCase",
        {"customer_id": f"cus_{number}", "text": "I was charged twice."},
        id=f"case_{number}",
        task_queue=TASK_QUEUE,
    )
    await handle.terminate("a mistake")
    payments = Broken(books.session.stores.sandbox)
    async with books.run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        with pytest.raises(WorkflowFailureError) as failure:
            await books.reconcile(2)

    assert "cannot be asked of refund" in repr(getattr(failure.value.cause, "cause", None))
    waiting = {task.subject for task in await books.session.stores.tasks.waiting()}
    assert f"case_{number}/main" in waiting


class Unlisted(SandboxPayments):
    """Lists nothing, for good."""

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        async for _ in super().refunds_since(since):
            raise InvalidInput("payments", "cannot be listed")
        yield await anext(super().refunds_since(since))


async def test_a_comparison_that_failed_is_no_report_that_says_nothing(
    books: Books, number: str
) -> None:
    await books.refund(f"unlisted{number}")
    payments = Unlisted(books.session.stores.sandbox)
    async with books.run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        with pytest.raises(WorkflowFailureError):
            await books.reconcile(2)


class ForgetsItself(SandboxPayments):
    """Fails in the middle of its list, once."""

    failed = False

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        async for refund in super().refunds_since(since):
            yield refund
            if not self.failed:
                self.failed = True
                raise ConnectionResetError


async def test_a_comparison_that_was_cut_short_begins_anew(books: Books, number: str) -> None:
    for place in range(3):
        await books.refund(f"again{number}_{place}")
    payments = ForgetsItself(books.session.stores.sandbox)
    async with books.run_worker(gateways=dataclasses.replace(books.gateways, payments=payments)):
        report = await books.reconcile(2)

    assert payments.failed
    assert report.compared
    assert report.compared.theirs == report.compared.ours
    assert report.compared.differences == ()


async def test_its_history_is_short_and_replays(books: Books, number: str, client: Client) -> None:
    made, _ = await books.refund(f"replay{number}", "pending")
    async with books.run_worker():
        handle = await client.start_workflow(
            ReconcileWorkflow.run,
            ReconcileTask(compare_days=2),
            id=f"replay-{number}",
            task_queue=TASK_QUEUE,
        )
        await handle.result()
    history = await handle.fetch_history()
    replayer = Replayer(
        workflows=[ReconcileWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=sandbox_runner(),
    )

    assert len(history.events) <= 25
    assert (await replayer.replay_workflow(history)).replay_failure is None
    assert await books.state_of(made) is EffectState.PENDING
