"""What a promotion does outside, and what the main line holds after it: only what is true."""

from typing import Any

import pytest

from cases.accounts import AccountSection
from cases.approvals import Approval, ApprovalSection, ApprovalState
from cases.correction_plan import make_plan
from cases.effects import EffectKind, EffectState, RefundSection, ResolutionSection
from cases.promoted import Ending, contradicts_answer, ending_of, intent_of
from cases.promotion import PromotionFacts
from cases.sections import Section
from cases.state import CaseStatus
from tests.cases.promotions import correction, facts, mail, refund
from tests.samples import NOON, case, usd

ANSWER = ResolutionSection(answer="B", closes_as=CaseStatus.ANSWERED, sent=True)


def approval() -> Approval:
    return Approval(
        approval_id="apr_1",
        case_id="case_1",
        branch="main",
        digest="d1",
        amount=usd("9.99"),
        orders=(),
        rule="promotion",
        state=ApprovalState.APPROVED,
        requested_at=NOON,
        expires_at=NOON,
        approved_by=("ann", "bob"),
        note="fine",
        promotes="b1",
    )


def ended(known: PromotionFacts, *branch: Section) -> Ending:
    return ending_of(known, case(*branch), case(), None)


def section(ending: Ending, kind: type[Section]) -> Any:
    return next((one for one in ending.sections if isinstance(one, kind)), None)


def test_a_refund_is_added_as_the_main_lines_own_and_bound_to_its_approval() -> None:
    known = facts((refund(branch="b1"),))
    [line] = make_plan(known).lines
    made = intent_of(line, known, approval())

    expected = refund().intent.model_copy(
        update={"promotes": "b1", "approval_id": "apr_1", "approval_digest": "d1"}
    )
    assert made == expected


def test_only_the_difference_is_paid_on_top_as_a_correction() -> None:
    known = facts((refund("49.99"),), (refund("40.00"),))
    [line] = make_plan(known).lines
    made = intent_of(line, known, approval())

    assert (made.kind, made.amount, made.branch) == (EffectKind.CORRECTION, usd("9.99"), "main")
    assert made.key == correction("9.99", 4999).intent.key
    assert (made.charge_id, made.duplicate_group) == ("ch_2", "acct/ch_1/1")


def test_an_answer_is_sent_in_the_branchs_words_and_uses_no_approval() -> None:
    known = facts((mail(EffectKind.ANSWER, text="B"),))
    [line] = make_plan(known).lines
    made = intent_of(line, known, approval())

    assert (made.content, made.promotes, made.approval_id) == ("B", "b1", None)


def test_the_answer_waits_until_what_it_says_of_money_is_paid() -> None:
    wanted = (refund(), mail(EffectKind.ANSWER))
    own = refund().intent.model_copy(update={"promotes": "b1"})
    on_its_way = refund(state=EffectState.PENDING).model_copy(update={"intent": own})

    assert contradicts_answer(facts(wanted))
    assert contradicts_answer(facts(wanted, (refund(state=EffectState.REJECTED),)))
    assert contradicts_answer(facts(wanted, (refund(state=EffectState.UNKNOWN),)))
    assert contradicts_answer(facts(wanted, (refund("50.00"),)))
    assert contradicts_answer(facts(wanted, (on_its_way,)))
    assert not contradicts_answer(facts(wanted, (refund(),)))
    assert not contradicts_answer(facts(wanted, (refund(state=EffectState.PENDING),)))


def test_a_branch_that_came_true_ends_the_case_as_it_ended_itself() -> None:
    known = facts((refund(),), (refund(),), status=CaseStatus.REJECTED)
    ending = ended(known)

    assert (ending.status, ending.reason) == (CaseStatus.REJECTED, "done as planned")
    paid = section(ending, RefundSection)
    assert (paid.amount, paid.state, paid.receipt) == (usd("49.99"), EffectState.SUCCEEDED, "re_1")


def test_what_was_paid_too_much_parks_the_case() -> None:
    ending = ended(facts((refund("40.00"),), (refund("49.99"), refund("5.00", 2))))

    assert ending.status is CaseStatus.MANUAL_REVIEW
    assert ending.to_recover == (
        "49.99 USD was paid for ch_2, and 40.00 USD is wanted; "
        "5.00 USD was paid for ch_3, and nothing is wanted"
    )
    assert ending.incomplete == ""


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (EffectState.REJECTED, EffectState.REJECTED),
        (EffectState.FAILED, EffectState.FAILED),
        (None, EffectState.REFUSED),
    ],
)
def test_what_could_not_be_paid_parks_the_case_and_stands_in_its_refunds(
    state: EffectState | None, shown: EffectState
) -> None:
    done = (refund(state=state).model_copy(update={"code": "charge_disputed"}),) if state else ()
    ending = ended(facts((refund(), refund("1.00", 2)), (*done, refund("1.00", 2))))

    assert ending.status is CaseStatus.MANUAL_REVIEW
    assert ending.incomplete == "refund of 49.99 USD for ch_2 was not made"
    paid = section(ending, RefundSection)
    assert (paid.amount, paid.state) == (usd("1.00"), shown)


def test_what_nobody_knows_the_end_of_parks_the_case() -> None:
    ending = ended(facts((refund(),), (refund(state=EffectState.UNKNOWN),)))

    assert ending.status is CaseStatus.MANUAL_REVIEW
    assert "refund of 49.99 USD for ch_2: unknown" in ending.incomplete


def test_the_main_line_holds_the_answer_that_the_customer_has() -> None:
    known = facts((mail(EffectKind.ANSWER, text="B"),), (mail(EffectKind.ANSWER, text="A"),))
    answer = section(ended(known, ANSWER), ResolutionSection)
    unsent = section(ended(facts((mail(EffectKind.ANSWER),)), ANSWER), ResolutionSection)

    assert (answer.answer, answer.sent) == ("A", True)
    assert (unsent.answer, unsent.sent) == ("B", False)
    assert unsent.closes_as is CaseStatus.MANUAL_REVIEW


@pytest.mark.parametrize(
    ("done", "sent", "status"),
    [
        ((EffectKind.RESET_MAIL,), True, "reset_sent"),
        ((), False, "reset_not_sent"),
        ((EffectKind.RESET_MAIL, EffectKind.RESET_REVOKED), False, "reset_revoked"),
    ],
)
def test_the_main_line_says_of_the_reset_mail_what_really_became_of_it(
    done: tuple[EffectKind, ...], sent: bool, status: str
) -> None:
    on_branch = AccountSection(status="reset_sent", reset_needed=True, reset_sent=True)
    wanted = (mail(EffectKind.RESET_MAIL),)
    account = section(ended(facts(wanted, tuple(map(mail, done))), on_branch), AccountSection)

    assert (account.reset_sent, account.status) == (sent, status)


def test_an_approval_that_a_branch_assumed_does_not_become_the_main_lines() -> None:
    assumed = ApprovalSection(
        approval_id="apr_0", state=ApprovalState.APPROVED, amount=usd("1"), digest="d0"
    )
    known = facts((refund(),), (refund(),))
    without = ended(known, assumed)
    asked = section(ending_of(known, case(assumed), case(), approval()), ApprovalSection)

    assert section(without, ApprovalSection) is None
    assert "approval" in without.left_out
    assert (asked.approval_id, asked.decided_by) == ("apr_1", ("ann", "bob"))


def test_a_section_that_says_so_already_is_not_written_again() -> None:
    known = facts((refund(),), (refund(),))
    [paid] = [one for one in ended(known).sections if one.name == "refund"]

    assert ending_of(known, case(), case(paid), None).sections == ()
