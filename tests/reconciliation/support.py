"""What the tests of the reconciliation share: effects that are made without a workflow."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cases.billing import RefundOrder
from cases.comparison import Difference, DifferenceKind
from cases.effects import EffectIntent, EffectState, Outcome, RefundItem, RefundSection
from cases.ids import MAIN
from cases.money import Money
from cases.reconciliation import CompareReport, ReconcileReport, ReconcileTask
from cases.state import Message, StepUpdate
from cases.tasks import Task
from gateways.sandbox.world import World, load
from starters.session import Session
from stores.postgres import Pool
from tests.stores.support import intent
from workers.composition import Gateways
from workers.main import TASK_QUEUE
from workflows.reconcile import ReconcileWorkflow

UNKNOWN = Outcome(state=EffectState.UNKNOWN, code="no_answer")


def charge(name: str, script: Sequence[str] = (), currency: str = "USD") -> dict[str, Any]:
    return {
        "id": f"ch_{name}_1",
        "customer_id": f"cus_{name}",
        "amount_minor": 4999,
        "currency": currency,
        "merchant": "Northwind Music",
        "created_at": (datetime.now(UTC) - timedelta(hours=6)).isoformat(),
        "script": list(script),
    }


@dataclass
class Books:
    """The ledger and the provider, and a reconciliation between them."""

    session: Session
    owner: Pool
    gateways: Gateways
    run_worker: Any

    async def case(self, name: str, *script: str) -> EffectIntent:
        """A case of a customer who was charged, on record; the intent of its refund."""
        customer = {"id": f"cus_{name}", "email": f"{name}@example.com", "name": "Sam Example"}
        world = World.model_validate({"customers": [customer], "charges": [charge(name, script)]})
        await load(self.session.stores.sandbox, world)
        message = Message(message_id="request", text="Twice!", received_at=datetime.now(UTC))
        cases = self.session.stores.cases
        await cases.open(f"case_{name}", MAIN, f"cus_{name}", message)
        state = await cases.load(f"case_{name}", MAIN)
        order = RefundOrder(
            charge_id=f"ch_{name}_1",
            amount=Money(amount_minor=4999, currency="USD"),
            anchor_charge=f"ch_{name}_0",
            slot=1,
        )
        return intent(state, order)

    async def refund(self, name: str, *script: str) -> tuple[EffectIntent, Outcome]:
        """Claim, perform and settle the refund of a new case, as its activity does."""
        made = await self.case(name, *script)
        await self.claim(made)
        outcome = await self.gateways.payments.refund(made)
        await self.settle(made, outcome)
        return made, outcome

    async def claim(self, made: EffectIntent, *, ago: timedelta = timedelta(0)) -> None:
        _, claim = await self.session.stores.ledger.claim(made)
        assert claim.outcome.state is EffectState.SENDING, claim
        await self.age(made, ago)

    async def age(self, made: EffectIntent, by: timedelta) -> None:
        """As if it had been claimed, and looked for, so much longer ago."""
        await self.owner.execute(
            "UPDATE effects SET claimed_at = claimed_at - $2::interval, "
            "looked_at = looked_at - $2, not_found_at = not_found_at - $2 WHERE key = $1",
            made.key,
            by,
        )

    async def settle(self, made: EffectIntent, outcome: Outcome) -> None:
        assert made.amount
        assert made.charge_id
        item = RefundItem(charge_id=made.charge_id, amount=made.amount, state=outcome.state)
        section = RefundSection.of((item,))
        update = StepUpdate(step="refund", owner="refund", sections={"refund": section})
        await self.session.stores.ledger.settle(made, outcome, update, {"refund": 0})

    async def state_of(self, made: EffectIntent) -> EffectState:
        found = await self.session.stores.ledger.find(made.key)
        assert found
        return found.state

    async def reconcile(self, days: int = 0) -> ReconcileReport:
        """Run the workflow; a worker must be running."""
        report: ReconcileReport = await self.session.temporal.execute_workflow(
            ReconcileWorkflow.run,
            ReconcileTask(compare_days=days),
            id=f"reconcile-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
        )
        return report

    async def compare(self, days: int = 2) -> CompareReport:
        """Run the workflow with a comparison, on a worker for it alone."""
        async with self.run_worker():
            report = await self.reconcile(days)
        assert report.compared
        return report.compared

    async def tasks(self, about: str) -> list[Task]:
        """The tasks that wait for a person and name that case."""
        waiting = await self.session.stores.tasks.waiting()
        return [task for task in waiting if task.case_id == about]

    async def audit_holds(self, case_id: str) -> bool:
        return await self.session.stores.audit.verify(case_id, MAIN) == []


def kinds(found: Sequence[Difference]) -> set[tuple[DifferenceKind, str]]:
    return {(one.kind, one.subject) for one in found}
