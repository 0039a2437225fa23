"""The answer says what is on record, and nothing that is not."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.accounts import AccountSection
from cases.answer_texts import TEXTS, Opening
from cases.answers import AnswerFacts, closing_status, facts_of, template
from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection, PastRefund
from cases.effects import EffectState, RefundItem, RefundSection
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseStatus
from tests.samples import NOON, case, order, usd

PAID = AnswerFacts(closes_as=CaseStatus.ANSWERED, refunded=(usd("49.99"),))
SAID = "We have refunded 49.99 USD to your card."


def policy(decision: Decision = Decision.REFUND, **fields: Any) -> PolicySection:
    known: dict[str, Any] = {"rule": "proven_duplicate", "reason": "", "policy_version": 1}
    if decision is Decision.REFUND:
        known |= {"orders": (order(),), "amount": usd("49.99")}
    return PolicySection(decision=decision, **{**known, **fields})


def refund(*states: EffectState) -> RefundSection:
    return RefundSection.of(
        tuple(
            RefundItem(charge_id=f"ch_{n}", amount=usd("49.99"), state=state)
            for n, state in enumerate(states, 2)
        )
    )


def approval(state: ApprovalState) -> ApprovalSection:
    return ApprovalSection(approval_id="apr_1", state=state, amount=usd("612.00"), digest="d")


ABOVE = policy(Decision.NEEDS_HUMAN, rule="above_limit", approval_required=True, orders=(order(),))
NOTHING = policy(Decision.NO_ACTION, rule="nothing_found")
PAST = BillingSection(
    past_refunds=(PastRefund(charge_id="ch_2", amount=usd("20.00"), refunded_at=NOON),)
)


@pytest.mark.parametrize(
    ("sections", "status"),
    [
        ([], CaseStatus.MANUAL_REVIEW),
        ([NOTHING], CaseStatus.ANSWERED),
        ([policy(Decision.NEEDS_HUMAN, rule="doubtful")], CaseStatus.MANUAL_REVIEW),
        ([policy()], CaseStatus.MANUAL_REVIEW),
        ([policy(), refund(EffectState.SUCCEEDED)], CaseStatus.ANSWERED),
        ([policy(), refund(EffectState.PENDING)], CaseStatus.ANSWERED),
        ([policy(), refund(EffectState.REJECTED)], CaseStatus.MANUAL_REVIEW),
        ([policy(), refund(EffectState.REFUSED)], CaseStatus.MANUAL_REVIEW),
        ([policy(), refund(EffectState.UNKNOWN)], CaseStatus.MANUAL_REVIEW),
        ([policy(), refund(EffectState.SENDING)], CaseStatus.MANUAL_REVIEW),
        (
            [policy(), refund(EffectState.SUCCEEDED, EffectState.REJECTED)],
            CaseStatus.MANUAL_REVIEW,
        ),
        (
            [policy(orders=(order(), order("ch_3", slot=2))), refund(EffectState.SUCCEEDED)],
            CaseStatus.MANUAL_REVIEW,
        ),
        ([ABOVE], CaseStatus.MANUAL_REVIEW),
        ([ABOVE, approval(ApprovalState.PENDING)], CaseStatus.MANUAL_REVIEW),
        ([ABOVE, approval(ApprovalState.DENIED)], CaseStatus.REJECTED),
        ([ABOVE, approval(ApprovalState.EXPIRED)], CaseStatus.MANUAL_REVIEW),
        ([ABOVE, approval(ApprovalState.VOID)], CaseStatus.MANUAL_REVIEW),
        ([ABOVE, approval(ApprovalState.APPROVED)], CaseStatus.MANUAL_REVIEW),
        (
            [ABOVE, approval(ApprovalState.APPROVED), refund(EffectState.SUCCEEDED)],
            CaseStatus.ANSWERED,
        ),
        (
            [ABOVE, approval(ApprovalState.APPROVED), refund(EffectState.REJECTED)],
            CaseStatus.MANUAL_REVIEW,
        ),
        ([NOTHING, AccountSection()], CaseStatus.ANSWERED),
        ([NOTHING, AccountSection(reset_needed=True)], CaseStatus.MANUAL_REVIEW),
        ([NOTHING, AccountSection(reset_needed=True, reset_sent=True)], CaseStatus.ANSWERED),
        ([NOTHING, AccountSection(status="failed", error="e")], CaseStatus.MANUAL_REVIEW),
        (
            [policy(), refund(EffectState.SUCCEEDED), AccountSection(reset_needed=True)],
            CaseStatus.MANUAL_REVIEW,
        ),
    ],
    ids=str,
)
def test_a_case_closes_as_its_sections_say(sections: list[Section], status: CaseStatus) -> None:
    assert closing_status(case(*sections)) is status
    assert facts_of(case(*sections)).closes_as is status


def test_a_cancelled_case_closes_as_cancelled_and_still_says_what_was_paid() -> None:
    facts = facts_of(case(policy(), refund(EffectState.SUCCEEDED)), cancelled=True)

    assert facts.closes_as is CaseStatus.CANCELLED
    assert facts.refunded == (usd("49.99"),)
    assert "Your request was cancelled." in template(facts)


def test_what_was_paid_and_what_is_on_its_way_are_told_apart() -> None:
    states = (EffectState.SUCCEEDED, EffectState.PENDING, EffectState.REJECTED)
    facts = facts_of(case(policy(), refund(*states)))

    assert facts.refunded == (usd("49.99"),)
    assert facts.refund_requested == (usd("49.99"),)


def test_a_refund_on_record_is_answered_with_its_amount_and_date() -> None:
    facts = facts_of(case(PAST, policy(Decision.NO_ACTION, rule="already_refunded")))

    assert facts.past_refunds == ((usd("20.00"), date(2026, 11, 2)),)
    assert "The refund of 20.00 USD is already on record, made on 2026-11-02." in template(facts)


def test_where_there_are_doubts_no_refund_on_record_is_promised() -> None:
    doubtful = PAST.model_copy(update={"doubts": ("?",)})

    assert facts_of(case(doubtful, policy(Decision.NEEDS_HUMAN))).past_refunds == ()


@pytest.mark.parametrize("rule", ["unknown_customer", "not_understood", "policy_failed"])
@pytest.mark.parametrize(
    "tells",
    [
        (PAST, AccountSection(locked=True, reset_sent=True)),
        (PAST, AccountSection(status="needs_human", issue="wrong_mail")),
        (PAST.model_copy(update={"customer_known": False}),),
        (PAST, AccountSection(customer_known=False)),
    ],
)
@pytest.mark.parametrize("cancelled", [False, True])
def test_an_unknown_customer_and_a_locked_account_learn_nothing_whatever_rule_decided(
    tells: tuple[Section, ...], rule: str, *, cancelled: bool
) -> None:
    section = policy(Decision.NEEDS_HUMAN, rule=rule)
    facts = facts_of(
        case(*tells, section, refund(EffectState.SUCCEEDED), approval(ApprovalState.DENIED)),
        cancelled=cancelled,
    )
    assert facts == AnswerFacts(closes_as=facts.closes_as)
    answer = template(facts)
    assert not any(letter.isdigit() for letter in answer)
    for word in ("refund", "locked", "password", "charge", "record", "known"):
        assert word not in answer.lower()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"refunded": (usd("49.99"),)}, "have refunded 49.99 USD"),
        ({"refund_requested": (usd("49.99"),)}, "have requested a refund of 49.99 USD"),
        ({"nothing_found": True}, "no issues found"),
        ({"reset_sent": True}, "link to reset your password"),
        ({"reset_sent_before": True}, "within the last day"),
        ({"denied": True}, "declined it"),
        ({"closes_as": CaseStatus.MANUAL_REVIEW}, "A colleague is looking into your request"),
        ({"closes_as": CaseStatus.CANCELLED}, "Your request was cancelled"),
    ],
)
def test_each_fact_is_said_and_only_where_it_is_one(facts: dict[str, Any], says: str) -> None:
    known: dict[str, Any] = {"closes_as": CaseStatus.ANSWERED}

    assert says in template(AnswerFacts(**{**known, **facts}))
    assert says not in template(AnswerFacts(**known))


def test_the_answer_to_a_case_without_facts_promises_nothing() -> None:
    bare = template(AnswerFacts(closes_as=CaseStatus.ANSWERED))

    found = "We looked into your request, and nothing is left to be done."
    assert bare == f"Hello,\n\n{found}\n\nKind regards,\nYour support team"


MONEY = st.builds(
    Money,
    amount_minor=st.integers(1, 10**12),
    currency=st.sampled_from(["USD", "JPY", "BHD"]),
)
FACTS = st.builds(
    AnswerFacts,
    closes_as=st.sampled_from([status for status in CaseStatus if status.closed]),
    refunded=st.lists(MONEY, max_size=2).map(tuple),
    refund_requested=st.lists(MONEY, max_size=2).map(tuple),
    past_refunds=st.lists(st.tuples(MONEY, st.dates(min_value=date(2000, 1, 1))), max_size=2).map(
        tuple
    ),
    nothing_found=st.booleans(),
    reset_sent=st.booleans(),
    reset_sent_before=st.booleans(),
    denied=st.booleans(),
)


_FIGURE = re.compile(r"[0-9][0-9.,-]*(?: [A-Z]{3})?")


@given(FACTS, st.sampled_from([*TEXTS, "pl"]), st.sampled_from(Opening))
def test_an_answer_names_each_amount_and_day_on_record_and_no_other_figure(
    facts: AnswerFacts, language: str, opening: Opening
) -> None:
    amounts = [
        *facts.refunded,
        *facts.refund_requested,
        *(money for money, _ in facts.past_refunds),
    ]
    days = [day.isoformat() for _, day in facts.past_refunds]

    said = [found.strip(".,") for found in _FIGURE.findall(template(facts, language, opening))]

    assert sorted(said) == sorted([*map(str, amounts), *days])
