"""A locked account is unlocked by a person who may decide, once, through the ledger."""

import pytest

from activities.steps import CaseRef
from cases.effects import EffectKind, EffectState
from cases.tasks import TaskKind
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from workers.main import TASK_QUEUE
from workflows.unlock import UnlockAccountWorkflow


async def is_locked(world: SmallWorld) -> bool:
    locked: bool = await world.session.stores.sandbox.fetchval(
        "SELECT locked FROM sandbox.customers WHERE id = $1", world.customer_id
    )
    return locked


async def test_a_person_unlocks_the_account_of_a_case_and_it_stands_in_the_ledger(
    casekeeper: CommandLine,
    world: SmallWorld,
    run_worker: WorkerFactory,
    case_id: str,
    session: Session,
) -> None:
    await world.customer(locked=True)
    async with run_worker():
        handle = await world.start("I can't log in to my account.", case_id)
        assert (await handle.result()).status == "manual_review"
        for _ in range(2):  # a repeat changes nothing
            done = await casekeeper("unlock", case_id, "--note", "called them back")
            assert done.code == 0, done
            assert done.out == f"The account of the customer of {case_id} is unlocked.\n"

    assert not await is_locked(world)
    effects = await session.stores.ledger.of_case(case_id, "main")
    [unlock] = [effect for effect in effects if effect.kind is EffectKind.UNLOCK]
    assert (unlock.state, unlock.attempts) == (EffectState.SUCCEEDED, 1)
    trail = await session.stores.audit.trail(case_id, "main")
    assert ("lead", "task_finished", "called them back") in [
        (row.actor, row.event, row.detail) for row in trail
    ]


async def test_a_workflow_that_nobody_decided_about_unlocks_nothing(
    world: SmallWorld, run_worker: WorkerFactory, case_id: str, session: Session
) -> None:
    await world.customer(locked=True)
    async with run_worker():
        await (await world.start("I can't log in to my account.", case_id)).result()
        outcome = await session.temporal.execute_workflow(
            UnlockAccountWorkflow.run,
            CaseRef(case_id=case_id, customer_id=world.customer_id),
            id=f"forged-{case_id}",
            task_queue=TASK_QUEUE,
        )

    assert (outcome.state, outcome.code) == (EffectState.REFUSED, "not_approved")
    assert await is_locked(world)


@pytest.mark.parametrize("note", ["", " "])
async def test_an_unlock_says_why(casekeeper: CommandLine, case_id: str, note: str) -> None:
    done = await casekeeper("unlock", case_id, "--note", note)

    assert done.code == 2
    assert "--note" in done.err


async def test_an_unlock_that_was_cut_off_between_its_two_commits_is_done_by_the_next(
    casekeeper: CommandLine,
    world: SmallWorld,
    run_worker: WorkerFactory,
    case_id: str,
    session: Session,
) -> None:
    await world.customer(locked=True)
    async with run_worker():
        await (await world.start("I can't log in to my account.", case_id)).result()
        await session.stores.tasks.open(
            TaskKind.UNLOCK_ACCOUNT, case_id, "A person asked.", case=(case_id, "main")
        )
        done = await casekeeper("unlock", case_id, "--note", "called them back")

    assert done.code == 0, done
    assert not await is_locked(world)
