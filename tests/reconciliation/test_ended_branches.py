"""What becomes of branches and of promotions whose runs were ended from outside."""

from temporalio.client import Client

from cases.approvals import ApprovalState, Verdict
from cases.state import CaseStatus
from cases.tasks import TaskKind
from starters.promote import promote_branch
from tests.branches.lines import branch_off, lived
from tests.conftest import SmallWorld, WorkerFactory
from tests.reconciliation.endings import reconciled_twice, terminated
from tests.reconciliation.support import Books
from tests.workflows.promotions import forked, promoted
from tests.workflows.support import BILLING, parked, request_of


async def test_a_branch_that_was_terminated_ends_and_is_nobodys_task(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        await parked(await world.start(BILLING))
    branch, handle = await branch_off(world, 3, [])  # no worker runs
    await terminated(handle, client)
    await reconciled_twice(books, world)

    state = await books.session.stores.cases.load(f"case_{world.number}", branch)
    assert (state.status, state.completed_steps[-1]) == (CaseStatus.CANCELLED, "taken_over")
    assert await books.tasks(f"case_{world.number}") == []
    assert (await request_of(world)).state is ApprovalState.PENDING
    assert (await world.state()).status is CaseStatus.AWAITING_APPROVAL


async def test_a_promotion_that_was_terminated_is_a_persons_task_and_goes_on_when_repeated(
    books: Books, world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    case_id = f"case_{world.number}"
    async with run_worker():
        await lived("case_8842", world)
        branch = await forked(world, "policy", "policy.amount=40.00")
        _, handle = await promote_branch(books.session, case_id, branch)
    await terminated(handle, client)
    await reconciled_twice(books, world)

    [task] = await books.tasks(case_id)
    assert task.kind is TaskKind.RUN_ENDED
    assert f"`casekeeper promote {case_id}@{branch}`" in task.detail
    async with run_worker():
        _, result = await promoted(world, branch, Verdict.APPROVED)
    assert result.state == "promoted"
