"""A branch lives its own life: it repeats nothing, asks nobody, and its case does not notice."""

import asyncio
import dataclasses
from collections.abc import Sequence

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from cases.messages import CaseRequest
from cases.state import CaseState
from starters.session import CaseHandle
from tests.branches.lines import branch_off, modes, outside
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    BOTH,
    Gate,
    SlowModel,
    events_of,
    finish,
    never_stuck,
    parked,
    scheduled,
)
from workers.composition import Gateways
from workers.main import TASK_QUEUE
from workflows.support_case import SupportCaseWorkflow

pytestmark = [
    BOTH_WAYS,
    # The SDK's own: two runs, none of which is kept in memory, and a local activity of one ends.
    pytest.mark.filterwarnings("ignore:Cannot find activity to cancel"),
]

LARGE = 120_000
MORE = "And I can't log in to my account."
ALL = ["understanding_agent", "billing_agent", "account_agent", "policy_agent"]
EFFECTS = ["send_reset_mail", "issue_refund", "response_agent", "send_answer"]


async def of_branch(world: SmallWorld, branch: str) -> CaseState:
    return await world.session.stores.cases.load(f"case_{world.number}", branch)


async def after(world: SmallWorld, step: str) -> int:
    """The version that the main line's first step of that name has made."""
    steps = (await world.state()).completed_steps
    return next(n for n, name in enumerate(steps, 1) if name.startswith(step))


async def forked(
    world: SmallWorld, step: str, what: Sequence[str] = (), parent: str = "main"
) -> tuple[str, CaseHandle]:
    return await branch_off(world, await after(world, step), what, parent)


@pytest.mark.parametrize(
    ("step", "runs", "calls"),
    [
        ("open", [*ALL, *EFFECTS], (1, 1)),
        ("understanding", [*ALL[1:], *EFFECTS], (0, 1)),
        ("policy", EFFECTS, (0, 1)),
        ("refund", EFFECTS[2:], (0, 1)),
        ("response", EFFECTS[3:], (0, 0)),
        ("answer", [], (0, 0)),
    ],
)
async def test_what_was_done_before_the_fork_is_not_done_again(  # noqa: PLR0917  fixtures
    step: str,
    runs: list[str],
    calls: tuple[int, int],
    world: SmallWorld,
    gateways: Gateways,
    run_worker: WorkerFactory,
) -> None:
    await world.twins(4999)
    async with run_worker():
        assert await finish(await world.start(BOTH)) == "answered"
    before = await outside(world)
    main = await world.state()

    model = SlowModel()
    async with run_worker(gateways=dataclasses.replace(gateways, model=model)):
        branch, handle = await forked(world, step)
        assert await finish(handle) == "answered"
        ran = scheduled(await events_of(handle))

    if step == "refund":  # of the two that run side by side, either may be first
        ran = [name for name in ran if name != "send_reset_mail"]
    assert sorted(ran) == sorted(runs)
    assert (len(model.understood), model.written) == calls
    assert await outside(world) == before
    assert await world.state() == main
    assert set((await modes(world, branch)).values()) == {"adopted"}
    assert (await of_branch(world, branch)).sections == main.sections


async def test_what_the_customer_says_on_a_branch_is_looked_into_there_alone(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    writing = Gate()
    slow = dataclasses.replace(gateways, model=SlowModel(write=writing))
    async with run_worker(gateways=slow):
        main = await world.start(BILLING)
        await parked(main)
        before = await world.state()
        branch, handle = await forked(world, "policy")
        await writing.until_reached()
        await handle.signal("customer_said", {"text": MORE})
        writing.open.set()
        assert await finish(handle) == "answered"
        ran = scheduled(await events_of(handle))
        assert (await world.state()).messages == before.messages
        await parked(main)

    state = await of_branch(world, branch)
    assert [message.text for message in state.messages] == [BILLING, MORE]
    assert "understanding:2" in state.completed_steps
    assert (ran.count("understanding_agent"), ran.count("account_agent")) == (1, 1)
    assert (await modes(world, branch))["reset_mail"] == "simulated"
    assert await outside(world) == ([], 0, [])


async def test_a_branch_begins_between_what_the_customer_said_and_the_reading_of_it(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        main = await world.start(BILLING)
        await parked(main)
        await main.signal("customer_said", {"text": MORE})
        await world.until_mailed("reset")
        await parked(main)
        before = await outside(world)
        branch, handle = await forked(world, "message")
        assert await finish(handle) == "answered"
        ran = scheduled(await events_of(handle))

    state = await of_branch(world, branch)
    assert state.completed_steps.count("understanding:2") == 1
    assert (ran.count("understanding_agent"), ran.count("billing_agent")) == (1, 0)
    assert await modes(world, branch) == {
        "reset_mail": "adopted",
        "refund": "simulated",
        "answer": "simulated",
    }
    assert await outside(world) == before


async def test_a_branch_of_a_case_that_runs_ends_beside_it(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    reading = Gate()
    slow = dataclasses.replace(gateways, model=SlowModel(understand=reading))
    async with run_worker(gateways=slow):
        main = await world.start(BOTH)
        await reading.until_reached()
        _, handle = await forked(world, "open")
        reading.open.set()
        ends = await asyncio.gather(finish(main), finish(handle))

    assert list(ends) == ["answered"] * 2
    found = await outside(world)
    assert (len(found.refunds), found.resets, len(found.answers)) == (1, 1, 1)


async def test_a_branch_moves_to_another_worker(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    writing = Gate()
    slow = dataclasses.replace(gateways, model=SlowModel(write=writing))
    async with run_worker():
        assert await finish(await world.start(BOTH)) == "answered"
    before = await outside(world)
    async with run_worker(gateways=slow):
        branch, handle = await forked(world, "understanding", ["understanding.reason=duplicate"])
        await writing.until_reached()
    async with run_worker():
        assert await finish(handle) == "answered"

    assert set((await modes(world, branch)).values()) == {"adopted"}
    assert await outside(world) == before


@pytest.mark.parametrize("customer", ["its own", "cus_else"])
@pytest.mark.parametrize("text", ["", "I was charged twice."])
async def test_a_run_of_a_branch_that_nobody_forked_fails_and_touches_nothing(
    customer: str, text: str, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    case_id = f"case_{world.number}"
    async with run_worker():
        assert await finish(await world.start(BILLING)) == "answered"
        before, main = await outside(world), await world.state()
        customer_id = world.customer_id if customer == "its own" else customer
        handle = await world.session.temporal.start_workflow(
            SupportCaseWorkflow.run,
            CaseRequest(case_id=case_id, customer_id=customer_id, text=text),
            id=f"{case_id}@zzz",
            task_queue=TASK_QUEUE,
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        never_stuck(await events_of(handle))

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "CaseNotFound"
    assert (await outside(world), await world.state()) == (before, main)
    assert len(await world.session.stores.branches.tree(case_id)) == 1
