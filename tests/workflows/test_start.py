"""How a case begins: once, whoever starts it and however."""

import asyncio
from datetime import UTC, datetime

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.steps import CaseRef
from cases.errors import CaseAlreadyExists
from cases.state import Message
from starters.start import NewCase, start_case
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import BILLING, BOTH, ended, finish, never_stuck
from workers.main import TASK_QUEUE

_NOTHING = "no input at all"


def _case(world: SmallWorld, text: str = BILLING) -> NewCase:
    return NewCase.check(world.customer_id, text, f"case_{world.number}")


async def test_a_second_start_is_refused_while_the_case_runs_and_after_it(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    handle = await world.start(BILLING)
    with pytest.raises(CaseAlreadyExists):
        await start_case(world.session, _case(world))
    async with run_worker():
        await finish(handle)
    with pytest.raises(CaseAlreadyExists):
        await start_case(world.session, _case(world))

    assert len(await world.mails("answer")) == 1


async def test_a_terminated_case_is_not_begun_anew_under_its_id(world: SmallWorld) -> None:
    await world.twins()
    handle = await world.start(BILLING)
    await handle.terminate()
    with pytest.raises(CaseAlreadyExists):
        await start_case(world.session, _case(world))

    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_of_many_starts_at_once_one_wins(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    results = await asyncio.gather(
        *(start_case(world.session, _case(world)) for _ in range(8)), return_exceptions=True
    )
    async with run_worker():
        await finish(world.session.handle(f"case_{world.number}"))

    assert sum(isinstance(result, CaseAlreadyExists) for result in results) == 7
    assert len(await world.refunds()) == 1


async def test_the_running_case_is_used_where_that_is_wanted(world: SmallWorld) -> None:
    await world.twins()
    first = await start_case(world.session, _case(world))

    again = await start_case(world.session, _case(world), use_existing=True)

    assert again.run_id == first.run_id
    assert again.existing


async def test_a_start_that_was_cut_off_after_the_record_can_be_repeated(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins()
    case = _case(world)
    ref = CaseRef(case_id=case.case_id, customer_id=case.customer_id)
    request = Message(message_id="request", text=case.text, received_at=datetime.now(UTC))
    await world.session.stores.record.open(ref, request)

    await start_case(world.session, case)
    async with run_worker():
        assert await finish(world.session.handle(case.case_id)) == "answered"


async def test_a_plain_start_with_a_text_puts_the_case_on_record(
    world: SmallWorld, client: Client, run_worker: WorkerFactory
) -> None:
    await world.twins()
    case_id = f"case_{world.number}"
    async with run_worker():
        handle = await client.start_workflow(
            "SupportCase",
            {"case_id": case_id, "customer_id": world.customer_id, "text": BOTH},
            id=case_id,
            task_queue=TASK_QUEUE,
        )
        await ended(handle)

    state = await world.state()
    assert state.status == "answered"
    assert [message.text for message in state.messages] == [BOTH]


@pytest.mark.parametrize(
    "request_",
    [
        None,
        _NOTHING,
        {},
        [],
        7,
        "text only",
        {"customer_id": 5, "text": []},
        {"text": "no customer"},
    ],
    ids=str,
)
async def test_a_start_with_unusable_input_fails_with_a_sentence_and_is_never_stuck(
    request_: object, client: Client, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        arguments = [] if request_ == _NOTHING else [request_]
        handle = await client.start_workflow(
            "SupportCase", args=arguments, id=case_id, task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 20)

    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidInput"
    assert "customer_id" in failure.value.cause.message


async def test_a_case_that_was_never_put_on_record_fails_with_a_sentence(
    client: Client, case_id: str, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        handle = await client.start_workflow(
            "SupportCase", {"customer_id": "cus_nobody"}, id=case_id, task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 20)
        history = (await handle.fetch_history()).events

    never_stuck(history)
    assert history[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
