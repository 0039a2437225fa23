"""The refund among the effects: its key, its limit, its approval, its place in the case."""

import pytest
from temporalio.exceptions import ApplicationError

from activities.effects import (
    EffectReport,
    RefundTask,
)
from cases.effects import (
    Claim,
    EffectState,
    Outcome,
    RefundSection,
)
from cases.ids import refund_key
from cases.money import Money
from tests.activities.environment import REF, run
from tests.activities.house import REFUND, House
from tests.samples import order, usd


async def test_a_refund_that_nobody_approved_writes_nothing_to_the_case() -> None:
    house = House()
    refused_claim = Outcome(state=EffectState.REFUSED, code="not_approved")
    house.ledger.claim_as = Claim(outcome=refused_claim)
    before = house.state
    effect = await house.perform("refund")

    assert house.events == ["claim"]
    assert effect == EffectReport(outcome=refused_claim, report=None)
    assert house.state == before


async def test_a_refund_that_the_ledger_refuses_stands_in_the_case_as_refused() -> None:
    house = House()
    refused_claim = Outcome(state=EffectState.REFUSED, code="already_claimed")
    house.ledger.claim_as = Claim(outcome=refused_claim)
    await house.perform("refund")

    section = house.state.get(RefundSection)
    assert section
    assert section.state is EffectState.REFUSED
    assert section.items[0].code == "already_claimed"
    assert section.amount == usd("0.00")


async def test_a_refund_names_its_key_its_limit_and_no_approval() -> None:
    house = House()
    await house.perform("refund")

    [intent] = house.ledger.claimed
    assert intent.key == refund_key("sandbox", "ch_1", 1)
    assert intent.limit_minor == 50000
    assert intent.limit_days == 30
    assert intent.approval_id is None
    assert house.payments.sent == [intent]


async def test_a_refund_that_a_person_approved_names_the_approval_and_what_was_shown() -> None:
    house = House()
    approved = REFUND.model_copy(update={"approval_id": "apr_1", "approval_digest": "d1"})
    await run(house.effects.issue_refund, approved)

    assert house.ledger.claimed[0].approval_id == "apr_1"
    assert house.ledger.claimed[0].approval_digest == "d1"


async def test_a_currency_without_a_limit_leaves_the_ledger_no_limit_to_pay_by() -> None:
    house = House()
    yen = order(amount=Money(amount_minor=5, currency="JPY"))
    await run(house.effects.issue_refund, RefundTask(ref=REF, order=yen))

    assert house.ledger.claimed[0].limit_minor is None


async def test_the_second_refund_of_a_case_joins_the_first() -> None:
    house = House()
    await house.perform("refund")
    first = house.state.get(RefundSection)
    second = RefundTask(
        ref=REF,
        order=order("ch_3", slot=2),
        so_far=first,
        expected_version=house.state.section_versions["refund"],
    )
    await run(house.effects.issue_refund, second)

    section = house.state.get(RefundSection)
    assert section
    assert [item.charge_id for item in section.items] == ["ch_2", "ch_3"]
    assert section.amount == usd("99.98")
    assert house.state.completed_steps[-2:] == ("refund:ch_1:1", "refund:ch_1:2")


async def test_a_refund_on_an_old_view_of_the_section_is_a_conflict_that_is_repeated() -> None:
    house = House()
    await house.perform("refund")
    stale = RefundTask(ref=REF, order=order("ch_3", slot=2))
    with pytest.raises(ApplicationError) as failure:
        await run(house.effects.issue_refund, stale)

    assert failure.value.type == "ConcurrentModification"
    assert not failure.value.non_retryable
