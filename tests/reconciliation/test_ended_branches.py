"""A branch whose run was ended from outside ends, and nobody needs to look at it."""

from temporalio.client import Client

from cases.approvals import ApprovalState
from cases.state import CaseStatus
from tests.branches.lines import branch_off
from tests.conftest import SmallWorld, WorkerFactory
from tests.reconciliation.endings import reconciled_twice, terminated
from tests.reconciliation.support import Books
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
