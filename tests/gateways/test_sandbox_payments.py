"""The provider of the sandbox: the same key refunds once, whatever happens."""

import asyncio

import pytest

from cases.billing import RefundOrder
from cases.effects import EffectIntent, EffectState, Outcome, refund_intent
from cases.money import Money
from gateways.sandbox.payments import SandboxPayments
from tests.conftest import SmallWorld
from tests.samples import usd
from workers.composition import Stores


@pytest.fixture
def payments(stores: Stores) -> SandboxPayments:
    return SandboxPayments(stores.sandbox)


def refund_of(
    charge_id: str, amount: Money | None = None, *, slot: int = 1, case_id: str = "case_1"
) -> EffectIntent:
    order = RefundOrder(
        charge_id=charge_id, amount=amount or usd("49.99"), anchor_charge=charge_id, slot=slot
    )
    return refund_intent(
        order, case_id=case_id, branch="main", customer_id="cus_1", provider_account="sandbox"
    )


async def test_a_refund_pays_back_and_can_be_looked_up_by_its_key(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()
    intent = refund_of(twin)
    assert await payments.look_up(intent) is None

    paid = await payments.refund(intent)

    assert paid.state is EffectState.SUCCEEDED
    assert paid.receipt
    assert paid.receipt.startswith("re_")
    assert await payments.look_up(intent) == paid
    [found] = [c for c in await payments.find_charges(world.customer_id) if c.charge_id == twin]
    assert found.refunded == usd("49.99")
    assert found.refundable == usd("0.00")


async def test_the_same_key_twice_is_one_refund_with_one_receipt(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()

    first = await payments.refund(refund_of(twin))
    again = await payments.refund(refund_of(twin, case_id="case_2"))

    assert again == first
    assert len(await world.refunds()) == 1


async def test_the_same_key_for_another_amount_is_an_error_and_no_refund(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()
    await payments.refund(refund_of(twin, usd("20.00")))

    other = await payments.refund(refund_of(twin, usd("10.00")))

    assert other == Outcome(state=EffectState.REJECTED, code="idempotency_error")
    assert [refund["amount_minor"] for refund in await world.refunds()] == [2000]


async def test_eight_at_once_with_the_same_key_are_one_refund(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()

    outcomes = await asyncio.gather(*(payments.refund(refund_of(twin)) for _ in range(8)))

    assert {outcome.state for outcome in outcomes} == {EffectState.SUCCEEDED}
    assert len({outcome.receipt for outcome in outcomes}) == 1
    assert len(await world.refunds()) == 1


async def test_eight_at_once_with_keys_of_their_own_never_pay_back_more_than_the_charge(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()
    intents = [refund_of(twin, usd("20.00"), slot=slot) for slot in range(1, 9)]

    outcomes = await asyncio.gather(*map(payments.refund, intents))

    states = [outcome.state for outcome in outcomes]
    assert states.count(EffectState.SUCCEEDED) == 2
    assert states.count(EffectState.REJECTED) == 6
    assert sum(refund["amount_minor"] for refund in await world.refunds()) == 4000


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        (["50.00"], "amount_too_high"),
        (["40.00", "10.00"], "amount_too_high"),
        (["49.99", "0.01"], "charge_already_refunded"),
        (["49.99", "49.99"], "charge_already_refunded"),
    ],
)
async def test_no_more_is_paid_back_than_was_charged(
    payments: SandboxPayments, world: SmallWorld, amounts: list[str], code: str
) -> None:
    [_, twin] = await world.twins()

    outcomes = [
        await payments.refund(refund_of(twin, usd(amount), slot=slot))
        for slot, amount in enumerate(amounts, 1)
    ]

    assert outcomes[-1] == Outcome(state=EffectState.REJECTED, code=code)
    assert len(await world.refunds()) == len(amounts) - 1


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


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("disputed", "charge_disputed"),
        ("pending", "charge_not_captured"),
        ("reversed", "charge_not_captured"),
    ],
)
async def test_only_a_captured_charge_is_paid_back(
    payments: SandboxPayments, world: SmallWorld, status: str, code: str
) -> None:
    [_, twin] = await world.twins(status=status)

    rejected = Outcome(state=EffectState.REJECTED, code=code)
    assert await payments.refund(refund_of(twin)) == rejected
    assert await world.refunds() == []


async def test_a_refund_in_another_currency_is_rejected(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    [_, twin] = await world.twins()
    euros = Money.parse("49.99", "EUR")

    outcome = await payments.refund(refund_of(twin, euros))

    assert outcome == Outcome(state=EffectState.REJECTED, code="currency_differs")


async def test_a_charge_that_is_not_there_is_rejected(payments: SandboxPayments) -> None:
    outcome = await payments.refund(refund_of("ch_nowhere"))

    assert outcome == Outcome(state=EffectState.REJECTED, code="charge_not_found")


async def test_a_customer_sees_the_own_charges_only_oldest_first(
    payments: SandboxPayments, world: SmallWorld
) -> None:
    charges = await world.twins(count=3)

    found = await payments.find_charges(world.customer_id)

    assert [charge.charge_id for charge in found] == charges
    assert await payments.find_charges("cus_nobody") == []


async def test_a_provider_that_cannot_be_reached_answers_that_it_is_not_known(
    world: SmallWorld,
) -> None:
    """It must not raise: only a known refusal may count as one."""
    [_, twin] = await world.twins()

    class Broken:
        def acquire(self) -> None:
            raise ConnectionResetError

    broken = SandboxPayments(Broken())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    outcome = await broken.refund(refund_of(twin))

    assert outcome == Outcome(state=EffectState.UNKNOWN, code="no_answer")
