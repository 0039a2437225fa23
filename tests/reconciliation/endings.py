"""How runs of cases are ended from outside, and what must be left of them."""

import dataclasses
from typing import Any

from temporalio.client import Client

from cases.effects import Effect, EffectIntent, EffectState, Outcome
from cases.errors import GatewayUnavailable
from cases.ids import MAIN
from cases.ports import EndedRun
from cases.reconciliation import ReconcileReport
from cases.state import CaseState
from cases.tasks import TaskKind
from gateways.sandbox.accounts import SandboxAccounts
from tests.conftest import SmallWorld
from tests.reconciliation.support import Books
from tests.workflows.support import Gate, Handle, SlowPayments, eventually


async def terminated(handle: Handle, client: Client) -> None:
    """Terminate the run, and wait until Temporal's list has it."""
    await handle.terminate("an operator's mistake")
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Terminated'"

    async def listed() -> bool:
        return (await client.count_workflows(query)).count > 0

    await eventually(listed)


def mine(report: ReconcileReport, world: SmallWorld) -> list[EndedRun]:
    return [run for run in report.ended_runs.cases if run.case_id == f"case_{world.number}"]


async def taken_over(world: SmallWorld, books: Books) -> CaseState:
    """The case once it was taken over; what holds of every such case."""
    case_id = f"case_{world.number}"
    [task] = [task for task in await books.tasks(case_id) if task.kind is TaskKind.RUN_ENDED]
    assert task.subject == f"{case_id}/main"
    state = await world.state()
    assert (state.status, state.error) == ("manual_review", "the run was terminated")
    assert state.completed_steps.count("taken_over") == 1
    assert state.pending_approvals == ()
    assert await books.audit_holds(case_id)
    return state


async def reconciled_twice(books: Books, world: SmallWorld, **gateways: Any) -> None:
    """One run does it all; another one changes nothing."""
    changed = dataclasses.replace(books.gateways, **gateways)
    async with books.run_worker(gateways=changed):
        assert len(mine(await books.reconcile(), world)) == 1
        before, said = await world.state(), await trail(books, world)
        for days in (0, 2):
            assert mine(await books.reconcile(days), world) == []
    assert await world.state() == before
    assert await trail(books, world) == said


async def trail(books: Books, world: SmallWorld) -> list[str]:
    rows = await books.session.stores.audit.trail(f"case_{world.number}", MAIN)
    return [f"{row.event} {row.step} {row.detail}" for row in reversed(rows)]


async def has_done(world: SmallWorld, step: str) -> bool:
    return step in (await world.state()).completed_steps


class Stubborn(SandboxAccounts):
    """Takes no link back."""

    async def revoke_reset(self, intent: EffectIntent) -> Outcome:
        return Outcome(state=EffectState.REJECTED, code=f"no_{intent.kind}")


class PaysUnseen(SlowPayments):
    """Pays, and its answer never arrives."""

    def __init__(self, books: Books, gate: Gate) -> None:
        super().__init__(books.session.stores)
        self._gate = gate

    async def refund(self, intent: EffectIntent) -> Outcome:
        await super().refund(intent)
        await self._gate.pass_through()
        return Outcome(state=EffectState.UNKNOWN, code="no_answer")


async def effects(books: Books, world: SmallWorld) -> list[Effect]:
    return await books.session.stores.ledger.of_case(f"case_{world.number}", MAIN)


class Down(SlowPayments):
    """Answers no question."""

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        raise GatewayUnavailable("The payment provider", f"nothing is said of {intent.kind}")
