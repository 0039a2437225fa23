"""What the tests of branches share: lines of steps, and forks of them."""

from collections.abc import Sequence
from typing import Any

from cases.billing import RefundOrder
from cases.branches import Fork
from cases.effects import (
    EffectIntent,
    EffectState,
    Outcome,
    answer_intent,
    reset_intent,
    revoke_intent,
    unlock_intent,
)
from cases.ids import MAIN
from cases.sections import Section
from cases.state import CaseState, StepUpdate
from stores.postgres import Pool
from tests.stores.support import commit, intent, opened, probe, refund_step
from workers.composition import Stores

PAID = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")


async def fork(
    stores: Stores,
    case_id: str,
    version: int,
    name: str = "b1",
    *sections: Section,
    parent: str = MAIN,
    request: str | None = None,
) -> CaseState:
    """Begin a branch, as kim; its state."""
    wanted = Fork(
        case_id=case_id,
        branch=name,
        parent_branch=parent,
        parent_version=version,
        by="kim",
        sections={one.name: one for one in sections},
        request=request,
    )
    made = await stores.branches.fork(wanted)
    state = await stores.cases.load(case_id, name)
    assert state.version == made == version + 1
    return state


async def go_on(stores: Stores, state: CaseState, *updates: StepUpdate) -> CaseState:
    """Commit these steps, one after another; the state then."""
    for update in updates:
        await commit(stores.cases, state, update)
        state = await stores.cases.load(state.case_id, state.branch)
    return state


async def probed(stores: Stores, case_id: str, *contents: Any) -> CaseState:
    """A case whose step at version 2, 3, ... has written that content."""
    steps = [probe(content, f"probe:{at}") for at, content in enumerate(contents, start=2)]
    return await go_on(stores, await opened(stores, case_id), *steps)


async def audited(stores: Stores, state: CaseState) -> list[str]:
    """The branch's audit rows, oldest first: what happened, and to which step."""
    trail = await stores.audit.trail(state.case_id, state.branch)
    return [f"{row.event} {row.step}".strip() for row in reversed(trail)]


async def tamper(owner: Pool, table: str, statement: str, *given: object) -> None:
    """What only the tables' owner can do, and only without the triggers."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await connection.execute(statement, *given)
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def asked(stores: Stores, wanted: EffectIntent) -> Outcome:
    return (await stores.ledger.claim(wanted))[1].outcome


async def paid(
    stores: Stores, state: CaseState, one: RefundOrder, outcome: Outcome = PAID
) -> EffectIntent:
    """A refund that was claimed and settled, with its step."""
    wanted = intent(state, one)
    await stores.ledger.claim(wanted)
    await settled(stores, wanted, outcome, refund_step(one, outcome))
    return wanted


async def settled(
    stores: Stores, wanted: EffectIntent, outcome: Outcome, update: StepUpdate
) -> None:
    state = await stores.cases.load(wanted.case_id, wanted.branch)
    expected = state.expected(*update.sections)
    await stores.ledger.settle(wanted, outcome, update, expected)


async def modes(stores: Stores, case_id: str, branch: str) -> dict[str, str]:
    found = await stores.branches.effects(case_id, branch)
    return {effect.kind.value: effect.mode.value for effect in found}


async def ledger_of(stores: Stores, customer_id: str) -> Sequence[Any]:
    query = "SELECT * FROM effects WHERE customer_id = $1 ORDER BY key"
    return await stores.pool.fetch(query, customer_id)


def kinds(state: CaseState, text: str = "Hello.") -> list[EffectIntent]:
    """One of each that is not a refund."""
    case: dict[str, str] = {
        "case_id": state.case_id,
        "branch": state.branch,
        "customer_id": state.customer_id,
    }
    others = [made(**case) for made in (reset_intent, revoke_intent, unlock_intent)]
    return [*others, answer_intent(**case, text=text)]
