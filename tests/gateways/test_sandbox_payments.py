"""The pretended provider's own ways: what the contract suite, which is for all, leaves open."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from cases.billing import RefundOrder
from cases.effects import EffectIntent, EffectState, Outcome, refund_intent
from cases.money import Money
from gateways.sandbox.payments import PAGE, SandboxPayments
from tests.conftest import SmallWorld
from tests.gateways.sandbox_provider import SandboxProvider, open_sandbox
from tests.samples import usd
from workers.composition import Stores


@pytest.fixture
def payments(stores: Stores) -> SandboxPayments:
    return SandboxPayments(stores.sandbox)


@pytest.fixture
async def sandbox(stores: Stores) -> AsyncGenerator[SandboxProvider]:
    """The harness, for what needs the clock: it is put right again."""
    async with open_sandbox(stores) as opened:
        yield opened


def refund_of(
    charge_id: str, amount: Money | None = None, *, slot: int = 1, case_id: str = "case_1"
) -> EffectIntent:
    order = RefundOrder(
        charge_id=charge_id, amount=amount or usd("49.99"), anchor_charge=charge_id, slot=slot
    )
    return refund_intent(
        order, case_id=case_id, branch="main", customer_id="cus_1", provider_account="sandbox"
    )


async def test_a_key_names_the_charge_and_not_the_case(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()

    first = await payments.refund(refund_of(twin))
    again = await payments.refund(refund_of(twin, case_id="case_2"))

    assert first.receipt
    assert first.receipt.startswith("re_")
    assert again == first
    assert len(await world.refunds()) == 1


async def test_eight_at_once_with_the_same_key_are_all_answered(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()

    outcomes = await asyncio.gather(*(payments.refund(refund_of(twin)) for _ in range(8)))

    assert {outcome.state for outcome in outcomes} == {EffectState.SUCCEEDED}
    assert len({outcome.receipt for outcome in outcomes}) == 1
    assert len(await world.refunds()) == 1


@pytest.mark.parametrize(
    ("status", "counts"),
    [("succeeded", True), ("pending", True), ("a later status", True), ("failed", False)],
)
async def test_an_earlier_refund_counts_unless_it_failed(
    payments: SandboxPayments, world: SmallWorld, status: str, *, counts: bool
) -> None:
    earlier = {
        "amount_minor": 4999,
        "currency": "USD",
        "created_at": "2026-11-02T12:00:00Z",
        "status": status,
    }
    [_, twin] = await world.twins(refunds=[earlier])

    outcome = await payments.refund(refund_of(twin))

    assert outcome.code == ("charge_already_refunded" if counts else None)


async def test_a_forgotten_key_pays_a_part_of_the_charge_twice(sandbox: SandboxProvider) -> None:
    """Therefore the ledger looks before it sends anything old again."""
    charge = await sandbox.charge(await sandbox.customer())
    intent = refund_of(charge, usd("10.00"))

    first = await sandbox.payments.refund(intent)
    await sandbox.advance(timedelta(hours=24, seconds=1))
    second, third = [await sandbox.payments.refund(intent) for _ in range(2)]

    paid = [refund.receipt for refund in await sandbox.refunds_of(charge)]
    assert paid == [first.receipt, second.receipt]
    assert first.receipt != second.receipt
    assert third == second


async def test_our_refund_that_failed_does_not_hide_that_somebody_else_paid_since(
    sandbox: SandboxProvider,
) -> None:
    charge = await sandbox.charge(await sandbox.customer(), script=["fail_later"])
    await sandbox.payments.refund(refund_of(charge))
    await sandbox.advance(timedelta(hours=25))
    await sandbox.refunded_elsewhere(charge, 4999)

    outcome = await sandbox.payments.refund(refund_of(charge))

    assert outcome == Outcome(state=EffectState.REJECTED, code="charge_already_refunded")


async def test_a_refusal_is_repeated_to_its_key(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins(script=["disputed"])

    outcomes = [await payments.refund(refund_of(twin)) for _ in range(2)]

    assert [outcome.code for outcome in outcomes] == ["charge_disputed"] * 2
    assert (await payments.refund(refund_of(twin, slot=2))).state is EffectState.SUCCEEDED


async def test_a_request_that_makes_no_sense_is_not_remembered(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()

    euros = await payments.refund(refund_of(twin, Money.parse("49.99", "EUR")))

    assert euros.code == "currency_differs"
    assert (await payments.refund(refund_of(twin))).state is EffectState.SUCCEEDED


async def test_each_call_takes_one_word_of_the_script_also_one_that_repeats_a_key(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins(script=["ok", "429", "disputed", "drop", "fail_later"])

    outcomes = [await payments.refund(refund_of(twin, usd("1.00"))) for _ in range(6)]

    codes = [outcome.code for outcome in outcomes]
    assert codes == [None, "rate_limited", None, "no_answer", None, None]
    assert {o.state for o in outcomes if not o.code} == {EffectState.SUCCEEDED}
    assert len(await world.refunds()) == 1


async def test_the_adapter_gives_up_at_its_deadline(stores: Stores, world: SmallWorld) -> None:
    [twin] = await world.twins(count=1, script=["hang_before"])
    hasty = SandboxPayments(stores.sandbox, deadline_s=0.05)

    outcome = await hasty.refund(refund_of(twin))

    assert outcome == Outcome(state=EffectState.UNKNOWN, code="timed_out")


async def test_thousands_of_refunds_are_listed_page_by_page_each_once(
    sandbox: SandboxProvider, stores: Stores
) -> None:
    """Many of them were made at the same moment, so that a page ends between equals."""
    charge = await sandbox.charge(await sandbox.customer(), minor=10_000)
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    await stores.sandbox.execute(
        "INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status, created_at) "
        "SELECT $1 || n, $1, 1, 'USD', 'succeeded', $2::timestamptz + n / 700 * interval '1 s' "
        "FROM generate_series(1, $3) n",
        charge,
        moment,
        2 * PAGE + 1,
    )

    found = [refund.receipt async for refund in sandbox.payments.refunds_since(moment)]
    later = moment + timedelta(seconds=1)
    rest = [refund.receipt async for refund in sandbox.payments.refunds_since(later)]

    assert len(found) == len(set(found)) == 2 * PAGE + 1
    assert len(rest) == 2 * PAGE + 1 - 699
