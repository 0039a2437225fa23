"""Claim, perform, settle: in this order, once, and never by guessing."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.refunds import RefundTask
from cases.accounts import AccountSection
from cases.effects import (
    Claim,
    EffectState,
    Outcome,
    RefundItem,
    RefundSection,
    ResolutionSection,
)
from cases.ids import answer_key, refund_key, reset_key
from cases.state import CaseStatus
from tests.activities.environment import REF, refused, run
from tests.activities.house import ANSWER, DUE, REFUND, RESET, UNKNOWN, WRITTEN, House
from tests.fake_ledger import SENDING
from tests.fakes import succeeded
from tests.samples import case, order, usd

KINDS = pytest.mark.parametrize("kind", ["refund", "reset", "answer"])


@KINDS
async def test_an_effect_is_claimed_then_performed_then_settled(kind: str) -> None:
    house = House()
    effect = await house.perform(kind)

    assert house.events == ["claim", "perform", "settle"]
    assert effect.outcome.state is EffectState.SUCCEEDED
    assert house.ledger.settled == [effect.outcome]
    assert effect.report
    assert effect.report.apply_to(case(DUE, WRITTEN)).sections == house.state.sections


@KINDS
@pytest.mark.parametrize(
    "outcome",
    [
        succeeded("earlier"),
        Outcome(state=EffectState.PENDING, receipt="earlier"),
        Outcome(state=EffectState.REJECTED, code="charge_disputed"),
        Outcome(state=EffectState.REFUSED, code="above_limit"),
        UNKNOWN,
    ],
    ids=lambda outcome: outcome.state,
)
async def test_what_came_to_an_end_before_is_not_performed_again(
    kind: str, outcome: Outcome
) -> None:
    house = House()
    house.ledger.claim_as = Claim(outcome=outcome, earlier_attempts=1)
    effect = await house.perform(kind, attempt=2)

    assert house.events == ["claim", "settle"]
    assert effect.outcome == outcome
    assert house.ledger.settled == [outcome]


async def test_a_refund_that_may_have_left_is_looked_up_before_it_is_sent_again() -> None:
    house = House()
    house.ledger.claim_as = Claim(outcome=SENDING, earlier_attempts=1)
    house.payments.known[refund_key("sandbox", "ch_1", 1)] = succeeded("re_7")
    effect = await house.perform("refund", attempt=2)

    assert house.events == ["claim", "look up", "settle"]
    assert effect.outcome == succeeded("re_7")


async def test_a_refund_that_the_provider_does_not_know_is_sent_again_with_the_same_key() -> None:
    house = House()
    house.ledger.claim_as = Claim(outcome=SENDING, earlier_attempts=1)
    await house.perform("refund", attempt=2)

    assert house.events == ["claim", "look up", "perform", "settle"]
    assert [sent.key for sent in house.payments.sent] == [refund_key("sandbox", "ch_1", 1)]


@pytest.mark.parametrize("kind", ["reset", "answer"])
async def test_a_mail_that_may_have_left_is_sent_again_with_the_same_key(kind: str) -> None:
    house = House()
    house.ledger.claim_as = Claim(outcome=SENDING, earlier_attempts=1)
    await house.perform(kind, attempt=2)

    assert house.events == ["claim", "perform", "settle"]


@KINDS
async def test_an_unknown_outcome_is_a_failure_that_is_repeated_and_settles_nothing(
    kind: str,
) -> None:
    house = House()
    house.answers(kind).append(UNKNOWN)
    before = house.state
    with pytest.raises(ApplicationError) as failure:
        await house.perform(kind)

    assert failure.value.type == "OutcomeUnknown"
    assert not failure.value.non_retryable
    assert house.events == ["claim", "perform"]
    assert house.state == before


@KINDS
@pytest.mark.parametrize("state", [EffectState.PENDING, EffectState.REJECTED])
async def test_any_other_answer_of_the_outside_is_settled_as_it_is(
    kind: str, state: EffectState
) -> None:
    house = House()
    house.answers(kind).append(Outcome(state=state, code="c"))
    effect = await house.perform(kind)

    assert effect.outcome.state is state
    assert house.ledger.settled == [effect.outcome]


async def test_what_is_sent_again_are_the_stored_parameters_not_newly_made_ones() -> None:
    house = House()
    await house.perform("answer")
    stored = house.ledger.claimed[0].model_copy(update={"content": "Hello, as first written."})
    again = House()
    again.ledger.first = stored
    again.ledger.claim_as = Claim(outcome=SENDING, earlier_attempts=1)
    await again.perform("answer", attempt=2)

    assert again.mail.sent == [stored]
    resolution = again.state.get(ResolutionSection)
    assert resolution
    assert resolution.answer == "Hello, as first written."


async def test_a_reset_mail_that_went_out_is_noted_in_the_account_section() -> None:
    house = House()
    await house.perform("reset")

    assert house.state.get(AccountSection) == AccountSection(
        status="reset_sent", reset_needed=True, reset_sent=True
    )
    assert house.accounts.sent[0].key == reset_key("cus_1", "case_1")
    assert house.accounts.sent[0].customer_id == "cus_1"


async def test_a_reset_mail_that_was_rejected_is_not_said_to_be_sent() -> None:
    house = House()
    house.accounts.answers.append(Outcome(state=EffectState.REJECTED, code="no_reset"))
    await house.perform("reset")

    section = house.state.get(AccountSection)
    assert section
    assert not section.reset_sent
    assert section.status == "reset_not_sent"


async def test_the_answer_that_went_out_closes_the_case() -> None:
    house = House()
    await house.perform("answer")

    resolution = house.state.get(ResolutionSection)
    assert resolution == WRITTEN.model_copy(update={"sent": True})
    assert house.state.status is CaseStatus.ANSWERED
    assert house.mail.sent[0].key == answer_key("case_1")
    assert house.mail.sent[0].content == "Hello."


async def test_an_answer_that_did_not_go_out_leaves_the_case_to_a_person() -> None:
    house = House()
    house.mail.answers.append(Outcome(state=EffectState.REJECTED, code="no_address"))
    await house.perform("answer")

    resolution = house.state.get(ResolutionSection)
    assert resolution
    assert not resolution.sent
    assert house.state.status is resolution.closes_as is CaseStatus.MANUAL_REVIEW


async def test_giving_up_asks_nobody_and_puts_the_unknown_outcome_on_record() -> None:
    house = House()
    for activity, task in (
        (house.refunds.give_up_refund, REFUND),
        (house.effects.give_up_reset_mail, RESET),
        (house.effects.give_up_answer, ANSWER),
    ):
        run_it: Any = activity
        effect = await run(run_it, task)
        assert effect.outcome == Outcome(state=EffectState.UNKNOWN, code="gave_up")

    assert house.events == ["settle"] * 3
    refund, account = house.state.get(RefundSection), house.state.get(AccountSection)
    assert refund
    assert refund.items == (
        RefundItem(
            charge_id="ch_2", amount=usd("49.99"), state=EffectState.UNKNOWN, code="gave_up"
        ),
    )
    assert account
    assert not account.reset_sent
    assert house.state.status is CaseStatus.MANUAL_REVIEW


async def test_an_effect_of_a_case_that_is_not_there_fails_for_good() -> None:
    nowhere = REF.model_copy(update={"case_id": "case_2"})
    task = RefundTask(ref=nowhere, order=order())

    assert await refused(House().refunds.give_up_refund, task) == "CaseNotFound"


def test_a_worker_registers_each_effect_with_its_way_to_give_up() -> None:
    house = House()
    names = [activity.__name__ for activity in (*house.refunds.all(), *house.effects.all())]

    performs = [name for name in names if not name.startswith("give_up_")]
    assert performs == [
        "issue_refund", "send_reset_mail", "revoke_reset", "unlock_account", "send_answer"
    ]  # fmt: skip
    assert sorted(set(names) - set(performs)) == [
        "give_up_answer",
        "give_up_refund",
        "give_up_reset_mail",
    ]
