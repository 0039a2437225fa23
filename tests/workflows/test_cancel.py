"""A case is cancelled, at every place where it may wait."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from cases.answers import facts_of, template
from cases.approvals import ApprovalState
from cases.messages import CancelRequest
from cases.state import CaseStatus
from starters.session import CaseHandle
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    BOTH,
    Gate,
    SlowAccounts,
    SlowMail,
    SlowModel,
    SlowPayments,
    ended,
    parked,
    request_of,
)
from workers.composition import Gateways, Stores
from workflows.support_case import SupportCaseWorkflow

pytestmark = BOTH_WAYS


Slow = Callable[[Stores, Gate], dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """Where the case is held: which gateways have the gate in them."""

    name: str
    slow: Slow
    #: How many refunds there are in the end: one in flight is seen through.
    refunds: int


PLACES = [
    Place("understanding", lambda _, gate: {"model": SlowModel(understand=gate)}, 0),
    Place("billing", lambda stores, gate: {"payments": SlowPayments(stores, find=gate)}, 0),
    Place("account", lambda stores, gate: {"accounts": SlowAccounts(stores, find=gate)}, 0),
    Place("refund", lambda stores, gate: {"payments": SlowPayments(stores, refund=gate)}, 1),
    Place("response", lambda _, gate: {"model": SlowModel(write=gate)}, 1),
]

BY_SIGNAL, NATIVELY, BOTH_AT_ONCE = "by signal", "natively", "as casekeeper cancel"


async def _cancel(handle: CaseHandle, how: str) -> None:
    if how in (BY_SIGNAL, BOTH_AT_ONCE):
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest(reason="a mistake"))
    if how in (NATIVELY, BOTH_AT_ONCE):
        await handle.cancel()


@pytest.mark.parametrize("how", [BY_SIGNAL, NATIVELY, BOTH_AT_ONCE])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
async def test_a_case_that_is_cancelled_at_work_ends_cancelled_with_one_true_answer(  # noqa: PLR0917  fixtures
    place: Place,
    how: str,
    world: SmallWorld,
    stores: Stores,
    gateways: Gateways,
    run_worker: WorkerFactory,
) -> None:
    await world.twins(4999)
    gate = Gate()
    slow = dataclasses.replace(gateways, **place.slow(stores, gate))
    async with run_worker(gateways=slow):
        handle = await world.start(BOTH)
        await gate.until_reached()
        await _cancel(handle, how)
        await handle.query("case_state")  # the cancel was taken in
        gate.open.set()
        events = await ended(handle)

    state = await world.state()
    assert state.status is CaseStatus.CANCELLED
    if how == NATIVELY:
        assert events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
    assert len(await world.refunds()) == place.refunds
    [answer] = await world.mails("answer")
    assert answer["body"] == template(facts_of(state, cancelled=True))
    assert "Your request was cancelled" in answer["body"]
    assert ("49.99 USD" in answer["body"]) == (place.refunds == 1)


@pytest.mark.parametrize("how", [BY_SIGNAL, NATIVELY, BOTH_AT_ONCE])
async def test_a_parked_case_that_is_cancelled_withdraws_its_request(
    how: str, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await _cancel(handle, how)
        await ended(handle)

    assert (await request_of(world)).state is ApprovalState.VOID
    assert (await world.state()).status is CaseStatus.CANCELLED
    assert await world.refunds() == []
    assert len(await world.mails("answer")) == 1


async def test_a_second_cancel_does_not_cut_the_compensation_short(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    gate = Gate()
    slow = dataclasses.replace(gateways, mail=SlowMail(stores, send=gate))
    async with run_worker(gateways=slow):
        handle = await world.start(BILLING)
        await parked(handle)
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
        await gate.until_reached()
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
        await handle.cancel()  # last: of a second one the server tells the run nothing
        await handle.query("case_state")  # by now the run has heard of all
        gate.open.set()
        events = await ended(handle)

    assert events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
    assert (await request_of(world)).state is ApprovalState.VOID
    assert (await world.state()).status is CaseStatus.CANCELLED
    assert len(await world.mails("answer")) == 1


async def test_a_cancel_that_comes_while_the_answer_goes_out_changes_nothing_for_the_customer(
    world: SmallWorld, stores: Stores, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    gate = Gate()
    slow = dataclasses.replace(gateways, mail=SlowMail(stores, send=gate))
    async with run_worker(gateways=slow):
        handle = await world.start(BILLING)
        await gate.until_reached()
        await handle.signal(SupportCaseWorkflow.cancel_case, CancelRequest())
        await handle.query("case_state")
        gate.open.set()
        await ended(handle)

    assert (await world.state()).status is CaseStatus.ANSWERED
    [answer] = await world.mails("answer")
    assert "cancelled" not in answer["body"]


@pytest.mark.parametrize("how", [BY_SIGNAL, NATIVELY, BOTH_AT_ONCE])
async def test_a_cancel_that_came_before_any_worker_closes_the_case(
    how: str, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    handle = await world.start(BILLING)
    await _cancel(handle, how)
    async with run_worker():
        await ended(handle)

    assert (await world.state()).status is CaseStatus.CANCELLED
    assert await world.refunds() == []
    assert len(await world.mails("answer")) == 1
