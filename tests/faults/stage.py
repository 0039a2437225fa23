"""Where a play is played: a customer with a case, and what people do to it more than once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy

from cases.approvals import Approval, ApprovalSection, ApprovalState, Verdict
from cases.branches import BranchExists
from cases.edits import parse_edit
from cases.errors import CaseAlreadyExists, CustomerErased
from cases.ids import MAIN
from cases.reconciliation import ReconcileTask
from starters.approve import decide
from starters.fork import fork_case
from starters.session import Session
from starters.start import NewCase, start_case
from stores.postgres import Pool
from tests.conftest import SmallWorld
from tests.workflows.promotions import has_done, version_after
from tests.workflows.support import Handle, eventually
from workers.main import TASK_QUEUE
from workflows.deliver import DeliverWorkflow, Delivery
from workflows.reconcile import ReconcileWorkflow

#: Longer than two deaths of a worker take to be noticed, on a busy machine, in seconds.
PATIENCE_S = 60


@dataclass(frozen=True)
class Stage:
    """One customer and their case; `owner` is the pool of who owns the tables."""

    world: SmallWorld
    owner: Pool

    @property
    def session(self) -> Session:
        return self.world.session

    @property
    def case_id(self) -> str:
        return f"case_{self.world.number}"

    async def begin(self, text: str) -> Handle:
        """The case's run: the first one, or that of whoever was cut off."""
        case = NewCase.check(self.world.customer_id, text, self.case_id)
        with suppress(CaseAlreadyExists, CustomerErased):  # it has ended
            await start_case(self.session, case, use_existing=True)
        return self.session.handle(self.case_id)

    async def request(self) -> Approval:
        """Wait until a person is asked about the refund; the request."""

        async def asked() -> ApprovalSection | None:
            return (await self.world.state()).get(ApprovalSection)

        section = await eventually(asked, PATIENCE_S)
        return await self.session.stores.approvals.read(section.approval_id)

    async def standing(self) -> Approval:
        """Wait until nothing but a person's word is missing; the request.

        Until the reset mail is on record too: a branch that is made before is stale after it.
        """
        request = await self.request()
        await eventually(lambda: has_done(self.world, "reset_mail"), PATIENCE_S)
        return request

    async def decide(self, request: Approval, verdict: Verdict) -> None:
        """Say so, unless that was said before."""
        asked = await self.session.stores.approvals.read(request.approval_id)
        if asked.state is ApprovalState.PENDING:
            await decide(
                self.session, self.case_id, verdict, by="lead", request_id=asked.approval_id
            )

    async def branch(self, *edits: str) -> None:
        """A branch b1 after the policy's step, brought to its end."""
        place = (MAIN, version_after((await self.world.state()).completed_steps, "policy"))
        with suppress(BranchExists):
            await fork_case(
                self.session, self.case_id, place, [parse_edit(edit) for edit in edits], name="b1"
            )
        await end(self.session.handle(self.case_id, "b1"))

    @asynccontextmanager
    async def delivering(self) -> AsyncGenerator[None]:
        """The outbox is delivered; within the block all of it, at its end."""
        handle = await self.session.temporal.start_workflow(
            DeliverWorkflow.run,
            Delivery(lasting=timedelta(minutes=5), every=timedelta(seconds=0.2)),
            id=f"deliver-{self.case_id}",
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        yield
        await eventually(self.told, PATIENCE_S)
        await handle.terminate()

    async def told(self) -> bool:
        """Whether nothing of this case waits to be told."""
        untold = await self.owner.fetchval(
            "SELECT count(*) FROM outbox JOIN approvals USING (approval_id) "
            "WHERE case_id = $1 AND delivered_at IS NULL",
            self.case_id,
        )
        return int(untold) == 0

    async def has_ignored(self) -> bool:
        """Whether it is on record that a signal came for nothing."""
        trail = await self.session.stores.audit.trail(self.case_id, MAIN)
        return any(row.event == "decision_ignored" for row in trail)

    async def reconcile(self) -> None:
        await self.session.temporal.execute_workflow(
            ReconcileWorkflow.run,
            ReconcileTask(),
            id=f"reconcile-{self.case_id}",
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )


async def end(handle: Handle) -> None:
    """Wait until the run has ended, however it does."""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(WorkflowFailureError):
            await handle.result()
