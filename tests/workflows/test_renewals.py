"""What was approved is no longer so when it is to be paid: it is void, and looked into anew."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from cases.approvals import Approval, ApprovalState, Verdict
from runtime.settings import Settings
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.conftest import BOTH_WAYS
from tests.workflows.support import BILLING, Handle, decided, eventually, finish, parked, request_of
from workers import composition
from workers.composition import Gateways, Stores, all_activities
from workers.main import build_worker

LARGE = 74_900


async def _set_status(world: SmallWorld, charge: str, status: str) -> None:
    await world.session.stores.sandbox.execute(
        "UPDATE sandbox.charges SET status = $2 WHERE id = $1", charge, status
    )


async def _refund_elsewhere(world: SmallWorld, charge: str) -> None:
    """As a colleague does in the provider's own console."""
    await world.session.stores.sandbox.execute(
        "INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status) "
        "SELECT 're_by_hand_' || id, id, amount_minor, currency, 'succeeded' "
        "FROM sandbox.charges WHERE id = $1",
        charge,
    )


async def _asked_anew(world: SmallWorld, handle: Handle, before: str) -> Approval:
    """Wait until another request waits; it."""

    async def another() -> Approval | None:
        if await parked(handle) == before:
            return None
        request = await request_of(world)
        return request if request.approval_id != before else None

    return await eventually(another)


async def _state_of(world: SmallWorld, approval_id: str) -> ApprovalState:
    return (await world.session.stores.approvals.read(approval_id)).state


@BOTH_WAYS
async def test_a_charge_that_was_disputed_meanwhile_is_not_paid_back_whatever_was_approved(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    _, twin = await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await _set_status(world, twin, "disputed")
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) in {"answered", "manual_review"}

    assert await world.refunds() == []
    assert await _state_of(world, approval_id) is ApprovalState.VOID
    [answer] = await world.mails("answer")
    assert "refunded 749.00" not in answer["body"]


@BOTH_WAYS
async def test_a_charge_that_was_refunded_meanwhile_is_not_refunded_again(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    _, twin = await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await _refund_elsewhere(world, twin)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert [refund["idempotency_key"] for refund in await world.refunds()] == [None]
    assert await _state_of(world, approval_id) is ApprovalState.VOID
    [answer] = await world.mails("answer")
    assert "already on record" in answer["body"]


@BOTH_WAYS
async def test_another_duplicate_that_came_meanwhile_is_asked_for_anew_and_each_is_paid_once(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        await world.twins(LARGE, count=1)
        await decided(world, Verdict.APPROVED)
        request = await _asked_anew(world, handle, approval_id)
        assert await world.refunds() == []
        assert request.amount.amount_minor == 2 * LARGE
        assert await _state_of(world, approval_id) is ApprovalState.VOID
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    refunds = await world.refunds()
    assert len({refund["charge_id"] for refund in refunds}) == len(refunds) == 2
    assert len((await request_of(world)).consumed_by) == 2
    assert len(await world.mails("answer")) == 1


async def test_facts_that_change_again_and_again_end_with_a_person(
    world: SmallWorld, run_worker: WorkerFactory
) -> None:
    await world.twins(20_000, count=4)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
        for asked in range(1, 5):
            earlier = datetime.now(UTC) - timedelta(hours=6, minutes=asked)
            await world.twins(20_000, count=1, created_at=earlier.isoformat())
            await decided(world, Verdict.APPROVED)
            if asked <= 3:
                approval_id = (await _asked_anew(world, handle, approval_id)).approval_id
        assert await finish(handle) == "manual_review"

    assert await world.refunds() == []
    assert len(await world.mails("answer")) == 1


@pytest.mark.parametrize("raised", [False, True], ids=["same limits", "a higher limit"])
async def test_a_policy_that_changed_meanwhile_is_asked_anew_or_pays_by_itself(  # noqa: PLR0917  fixtures
    raised: bool,
    world: SmallWorld,
    run_worker: WorkerFactory,
    client: Client,
    stores: Stores,
    gateways: Gateways,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await world.twins(LARGE)
    async with run_worker():
        handle = await world.start(BILLING)
        approval_id = await parked(handle)
    shipped = composition.shipped_policy()
    limits = {"USD": 2 * LARGE} if raised else shipped.limits
    changed = shipped.model_copy(update={"version": shipped.version + 1, "limits": limits})
    monkeypatch.setattr(composition, "shipped_policy", lambda: changed)
    await decided(world, Verdict.APPROVED)
    async with build_worker(client, all_activities(stores, gateways), settings):
        if not raised:
            request = await _asked_anew(world, handle, approval_id)
            assert await world.refunds() == []
            assert request.amount.amount_minor == LARGE
            await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    [refund] = await world.refunds()
    assert refund["amount_minor"] == LARGE
    assert await _state_of(world, approval_id) is ApprovalState.VOID
    assert len(await world.mails("answer")) == 1
