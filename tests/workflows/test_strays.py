"""Signals that fit no request that waits: they do nothing, and the trail says that they came."""

import asyncio

import pytest

from cases.approvals import Verdict
from cases.messages import ApprovalNotice
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import (
    BILLING,
    Handle,
    audit_of,
    decided,
    ended,
    eventually,
    finish,
    parked,
)

pytestmark = BOTH_WAYS

LARGE = 74_900
FORGED = ApprovalNotice(approval_id="apr_forged", verdict="approved")
#: What can be decoded, and is no notice.
NONSENSE: list[object] = [b"\xff\x00", [1, [2]], 42, None, {"approval_id": 7, "verdict": None}]


async def _forge(handle: Handle, notice: object = FORGED) -> None:
    await handle.signal("approval_decided", notice)


async def test_signals_that_come_before_any_request_are_put_on_record(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    handle = await world.start(BILLING)
    await _forge(handle)
    await _forge(handle, ApprovalNotice(approval_id="", verdict=""))
    async with run_worker():
        await parked(handle)
        await eventually(lambda: audit_of(world, "decision_ignored"))
        assert await world.refunds() == []
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert await audit_of(world, "decision_ignored") == ["apr_forged approved", ""]
    assert len(await world.refunds()) == 1


async def test_of_a_decision_that_is_told_several_times_the_repeats_are_put_on_record(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
    await decided(world, Verdict.APPROVED)
    for _ in range(2):
        await _forge(handle, ApprovalNotice(approval_id=approval_id, verdict="approved"))
    async with run_worker():
        assert await finish(handle) == "answered"

    assert await audit_of(world, "decision_ignored") == [f"{approval_id} approved"] * 2
    assert len(await world.refunds()) == 1


@pytest.mark.parametrize("nonsense", NONSENSE, ids=str)
async def test_what_is_no_notice_is_put_on_record_as_an_empty_one(
    nonsense: object, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await _forge(handle, nonsense)
        await decided(world, Verdict.DENIED)
        assert await finish(handle) == "rejected"

    assert await audit_of(world, "decision_ignored") == [""]
    assert await world.refunds() == []


@pytest.mark.parametrize("early", [True, False], ids=["early", "while it waits"])
async def test_of_a_flood_of_signals_twenty_are_put_on_record(
    early: bool, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        if not early:
            await parked(handle)
        await asyncio.gather(*(_forge(handle) for _ in range(30)))
        await parked(handle)
        await decided(world, Verdict.DENIED)
        assert await finish(handle) == "rejected"

    assert await audit_of(world, "decision_ignored") == ["apr_forged approved"] * 20


@pytest.mark.parametrize("natively", [True, False], ids=["natively", "by signal"])
async def test_a_case_that_is_cancelled_before_it_looked_at_a_signal_puts_it_on_record_too(
    natively: bool, world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    handle = await world.start(BILLING)
    await _forge(handle)
    await (handle.cancel() if natively else handle.signal("cancel_case", "a mistake"))
    async with run_worker():
        await ended(handle)

    assert (await world.state()).status == "cancelled"
    assert await audit_of(world, "decision_ignored") == ["apr_forged approved"]
