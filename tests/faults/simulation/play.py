"""Acts a plan out: customers write, days pass, people decide, and some do more than they should."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.service import RPCError, RPCStatusCode

from cases.approvals import Verdict
from cases.errors import CaseError
from cases.ids import MAIN
from cases.messages import ApprovalNotice, CancelRequest, CustomerMessage
from gateways.sandbox.world import World, load
from starters.approve import decide
from starters.session import CaseHandle
from starters.start import NewCase, start_case
from tests.faults.simulation.plan import PARKED, CasePlan, Extra, Story
from tests.faults.simulation.world import SimulatedWorld
from tests.workflows.support import ACCOUNT, eventually
from workflows.support_case import SupportCaseWorkflow

#: Longer than any case takes beside all others.
_PATIENCE_S = 120.0
_LOOK_AGAIN_S = 0.5
#: Longer than an effect is tried.
_A_DAY = timedelta(hours=24)
_FORGED = "apr_forged"


class Play:
    """One case of the world, or two that are about the same charges."""

    def __init__(self, world: SimulatedWorld, plan: CasePlan) -> None:
        self._world = world
        self._plan = plan
        self.customer_id = f"cus_{plan.name}"
        self.case_ids = [f"case_{plan.name}"]
        if plan.story is Story.RIVALS:
            self.case_ids.append(f"case_{plan.name}-rival")

    @property
    def _handle(self) -> CaseHandle:
        return self._world.session.handle(self.case_ids[0])

    async def act(self) -> list[str]:
        """Play all of it; how each of its cases stands at the end."""
        await self._begin()
        if self._plan.story is Story.PROVIDER_DOWN:
            await self._world.pass_time(self._handle, _A_DAY)
        if self._plan.story in PARKED:
            await self._wait_and_decide()
        if self._plan.story is Story.WAITING:
            return ["awaiting_approval"]
        if self._plan.story is Story.RIVALS:
            await eventually(self._rivals_are_over, _PATIENCE_S)
        ends = [await self._end(case_id) for case_id in self.case_ids]
        if Extra.LATE in self._plan.extras:
            await self._come_late()
        return ends

    async def _begin(self) -> None:
        await load(self._world.session.stores.sandbox, World.model_validate(self._customer()))
        for case_id in self.case_ids:
            self._world.faults.plan(case_id, self._plan)
            await self._start(case_id)
        if Extra.START_TWICE in self._plan.extras:
            with suppress(CaseError):
                await self._start(self.case_ids[0])
        if Extra.FORGE_EARLY in self._plan.extras:
            await self._signal(_FORGED)

    async def _start(self, case_id: str) -> None:
        case = NewCase.check(self.customer_id, self._plan.text, case_id)
        await start_case(self._world.session, case)

    async def _wait_and_decide(self) -> None:
        approval_id = await eventually(self._asked, _PATIENCE_S)
        if Extra.FORGE in self._plan.extras:
            await self._signal(approval_id)
        await self._world.pass_time(self._handle, self._plan.waits)
        match self._plan.story:
            case Story.APPROVED:
                await self._decide(Verdict.APPROVED, approval_id)
            case Story.DENIED:
                await self._decide(Verdict.DENIED, approval_id)
            case Story.ADDED:
                await self._handle.signal(
                    SupportCaseWorkflow.customer_said, CustomerMessage(text=ACCOUNT)
                )
                await eventually(self._has_mailed, _PATIENCE_S)
                await self._decide(Verdict.APPROVED, approval_id)
            case Story.CANCELLED:
                await eventually(self._has_mailed, _PATIENCE_S)
                request = CancelRequest(reason="a mistake")
                await self._handle.signal(SupportCaseWorkflow.cancel_case, request)
            case _:
                pass  # nobody decides

    async def _decide(self, verdict: Verdict, approval_id: str) -> None:
        """As `casekeeper approve` and `deny` do, and perhaps once more."""
        case_id = self.case_ids[0]
        await decide(self._world.session, case_id, verdict, by="lead")
        if Extra.DECIDE_TWICE in self._plan.extras:
            with suppress(CaseError):  # it is decided, and the case may be closed
                await decide(self._world.session, case_id, verdict, by="lead")
        if Extra.NOTIFY_TWICE in self._plan.extras:
            await self._signal(approval_id)

    async def _asked(self) -> str | None:
        """The request that waits, as its row says: asking the workflow each time costs far more."""
        await asyncio.sleep(_LOOK_AGAIN_S)
        approvals = self._world.session.stores.approvals
        waiting = await approvals.pending_of(self.case_ids[0], MAIN)
        return waiting[0].approval_id if waiting else None

    async def _has_mailed(self) -> bool:
        await asyncio.sleep(_LOOK_AGAIN_S)
        state = await self._world.session.stores.cases.load(self.case_ids[0], MAIN)
        return "reset_mail" in state.completed_steps

    async def _rivals_are_over(self) -> bool:
        """The slower one may find itself above the limit, as the refund of the other counts.

        Then a person is asked, and says yes: it must not be paid all the same.
        """
        await asyncio.sleep(_LOOK_AGAIN_S)
        stores = self._world.session.stores
        for case_id in self.case_ids:
            for request in await stores.approvals.pending_of(case_id, MAIN):
                with suppress(CaseError):  # what it was asked about is gone
                    await decide(
                        *(self._world.session, case_id, Verdict.APPROVED),
                        by="lead",
                        request_id=request.approval_id,
                    )
        states = [await stores.cases.load(case_id, MAIN) for case_id in self.case_ids]
        return all(state.status.closed for state in states)

    async def _end(self, case_id: str) -> str:
        outcome = await self._world.session.handle(case_id).result()
        return outcome.status.value

    async def _come_late(self) -> None:
        """Whatever still comes finds a closed case."""
        await self._signal(_FORGED)
        with suppress(CaseError):
            await decide(self._world.session, self.case_ids[0], Verdict.APPROVED, by="lead")

    async def _signal(self, approval_id: str) -> None:
        """A bare signal says that the request was approved."""
        notice = ApprovalNotice(approval_id=approval_id, verdict="approved")
        try:
            await self._handle.signal(SupportCaseWorkflow.approval_decided, notice)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # the run is closed
                raise

    def _customer(self) -> dict[str, Any]:
        first = datetime.now(UTC) - timedelta(hours=6)
        charges = [
            {
                "id": f"ch_{self._plan.name}_{place}",
                "customer_id": self.customer_id,
                "amount_minor": self._plan.amount_minor,
                "currency": "USD",
                "merchant": "Northwind Music",
                "description": "Family plan",
                "created_at": (first + timedelta(minutes=place)).isoformat(),
            }
            for place in range(self._plan.charges)
        ]
        email = f"{self.customer_id}@example.com"
        customer = {"id": self.customer_id, "email": email, "name": "Sam Example"}
        return {"customers": [customer], "charges": charges}
