"""The refund among the effects: its key, its limit, its approval, its place in the case."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import EffectReport
from activities.refunds import RefundTask
from cases.billing import Charge, ChargeStatus
from cases.effects import (
    Claim,
    EffectState,
    Outcome,
    RefundSection,
)
from cases.ids import refund_key
from cases.money import Money
from cases.tasks import TaskKind
from tests.activities.agents import POLICY
from tests.activities.environment import REF, run
from tests.activities.house import REFUND, House
from tests.fake_ledger import effect_row
from tests.samples import charge, order, paid_back, usd

TWINS = [charge("ch_1"), charge("ch_2")]
APPROVED = REFUND.model_copy(
    update={"approval_id": "apr_1", "approval_digest": "d1", "policy_version": POLICY.version}
)


def refused_as(code: str) -> Outcome:
    return Outcome(state=EffectState.REFUSED, code=code)


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
    house.payments.charges = TWINS
    await run(house.refunds.issue_refund, APPROVED)

    assert house.ledger.claimed[0].approval_id == "apr_1"
    assert house.ledger.claimed[0].approval_digest == "d1"


@pytest.mark.parametrize(
    "charges",
    [
        [charge("ch_1"), charge("ch_2", refunds=(paid_back(),))],
        [charge("ch_1"), charge("ch_2", status=ChargeStatus.DISPUTED)],
        [charge("ch_1"), charge("ch_2", usd("49.98"))],
        [charge("ch_1"), charge("ch_2", description="Invoice 2")],
        [charge("ch_2", after=-timedelta(hours=1)), charge("ch_1")],
        [charge("ch_2")],
        [],
    ],
    ids=["refunded", "disputed", "amount", "description", "anchor", "alone", "none"],
)
async def test_what_changed_at_the_provider_since_it_was_approved_is_not_paid(
    charges: list[Charge],
) -> None:
    house = House()
    house.payments.charges = charges
    effect = await run(house.refunds.issue_refund, APPROVED)

    assert effect == EffectReport(outcome=refused_as("evidence_changed"))
    assert house.events == []
    assert house.state.get(RefundSection) is None


async def test_what_another_policy_asked_for_is_not_paid() -> None:
    house = House()
    house.payments.charges = TWINS
    older = APPROVED.model_copy(update={"policy_version": POLICY.version + 1})
    effect = await run(house.refunds.issue_refund, older)

    assert effect == EffectReport(outcome=refused_as("policy_changed"))
    assert house.events == []


async def test_once_it_is_claimed_the_providers_records_may_show_our_own_refund() -> None:
    house = House()
    house.payments.charges = [charge("ch_1"), charge("ch_2", refunds=(paid_back(),))]
    key = refund_key("sandbox", "ch_1", 1)
    house.ledger.rows[key] = effect_row(key)
    effect = await run(house.refunds.issue_refund, APPROVED)

    assert effect.outcome.state is EffectState.SUCCEEDED
    assert house.state.get(RefundSection)


async def test_within_the_limit_the_provider_is_not_asked_again() -> None:
    house = House()
    await house.perform("refund")

    assert house.payments.asked == []
    assert house.state.get(RefundSection)


async def test_a_refund_of_which_nothing_told_becomes_a_persons_task() -> None:
    house = House()
    await run(house.refunds.give_up_refund, REFUND)

    assert house.tasks.opened == [(TaskKind.EFFECT_UNKNOWN, refund_key("sandbox", "ch_1", 1))]


async def test_what_a_branch_never_heard_of_is_no_persons_task() -> None:
    house = House()
    house.store.cases["case_1", "b1"] = house.state.model_copy(update={"branch": "b1"})
    on_branch = REFUND.ref.model_copy(update={"branch": "b1"})
    await run(house.refunds.give_up_refund, REFUND.model_copy(update={"ref": on_branch}))

    assert house.tasks.opened == []


async def test_a_second_attempt_has_a_key_of_its_own() -> None:
    house = House()
    again = order().model_copy(update={"attempt": 2})
    await run(house.refunds.issue_refund, REFUND.model_copy(update={"order": again}))

    assert house.ledger.claimed[0].key == refund_key("sandbox", "ch_1", 1, 2)


async def test_a_currency_without_a_limit_leaves_the_ledger_no_limit_to_pay_by() -> None:
    house = House()
    yen = order(amount=Money(amount_minor=5, currency="JPY"))
    await run(house.refunds.issue_refund, RefundTask(ref=REF, order=yen))

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
    await run(house.refunds.issue_refund, second)

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
        await run(house.refunds.issue_refund, stale)

    assert failure.value.type == "ConcurrentModification"
    assert not failure.value.non_retryable
