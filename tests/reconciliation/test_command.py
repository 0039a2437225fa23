"""`casekeeper reconcile`: what it prints, its document, and its exit code."""

import asyncio

import pytest

from cases.effects import EffectState
from starters.reconcile import NoWorker, ReconciliationFailed, reconcile_now
from tests.reconciliation.support import Books
from tests.starters.conftest import CommandLine
from tests.workflows.support import eventually

_RUNNING = "WorkflowType = 'Reconcile' AND ExecutionStatus = 'Running'"
KEYS = {"open_effects", "ended_runs", "compared", "needs_person"}


async def test_where_both_sides_agree_it_says_so_and_ends_with_zero(
    books: Books, number: str, casekeeper: CommandLine
) -> None:
    await books.refund(f"clean{number}")
    async with books.run_worker():
        done = await casekeeper("reconcile")
        document = await casekeeper("reconcile", "--days", "2", "--json")

    assert done.code == 0, done
    assert "Nothing differs." in done.out
    assert "compared with" in done.out
    assert document.code == 0
    assert document.json().keys() == KEYS
    assert document.json()["compared"]["differences"] == []
    assert document.json()["needs_person"] is False


async def test_what_was_settled_and_what_differs_are_rows_and_a_person_makes_it_one(
    books: Books, number: str, casekeeper: CommandLine
) -> None:
    made, _ = await books.refund(f"changed{number}", "pending")
    await books.session.stores.sandbox.execute(
        "UPDATE sandbox.refunds SET amount_minor = 4998, settles_at = created_at "
        "WHERE idempotency_key = $1",
        made.key,
    )
    async with books.run_worker():
        done = await casekeeper("reconcile", "--days", "2")
        again = await casekeeper("reconcile", "--days", "2", "--json")

    assert done.code == again.code == 1
    said = " ".join(done.out.split())
    assert await books.state_of(made) is EffectState.SUCCEEDED
    for words in ("amount differs", "settled", "casekeeper approvals"):
        assert words in said
    assert max(map(len, done.out.splitlines())) <= 80
    [found] = again.json()["compared"]["differences"]
    assert (found["kind"], found["subject"]) == ("amount_differs", made.key)
    assert found["ours"]["amount"] == {"amount_minor": 4999, "currency": "USD"}
    assert found["theirs"]["amount"] == {"amount_minor": 4998, "currency": "USD"}


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999"])
async def test_days_that_are_none_are_bad_usage(days: str, casekeeper: CommandLine) -> None:
    done = await casekeeper("reconcile", "--days", days)
    assert done.code == 2
    assert "--days" in done.err


async def test_without_a_worker_it_says_so_and_leaves_nothing_waiting(books: Books) -> None:
    with pytest.raises(NoWorker, match="casekeeper worker"):
        await reconcile_now(books.session, 2, taken_within_s=0.5)

    async def none_runs() -> bool:
        return (await books.session.temporal.count_workflows(_RUNNING)).count == 0

    await eventually(none_runs)


async def test_a_reconciliation_that_is_stopped_is_a_sentence(books: Books) -> None:
    temporal = books.session.temporal
    ours = asyncio.create_task(reconcile_now(books.session, 2))

    async def stopped() -> bool:
        async for run in temporal.list_workflows(_RUNNING):
            await temporal.get_workflow_handle(run.id).terminate("an operator")
            return True
        return False

    await eventually(stopped)
    with pytest.raises(ReconciliationFailed, match="has failed"):
        await ours
