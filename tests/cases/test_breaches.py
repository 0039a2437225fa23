"""What breaks an invariant, judged from values alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cases.approvals import Approval, ApprovalState
from cases.billing import Charge, ChargeStatus, RefundOrder, RefundRecord
from cases.breaches import (
    SentMail,
    answer_problems,
    books_problems,
    copy_problem,
    decision_problems,
    mail_problems,
)
from cases.comparison import LedgerEntry
from cases.effects import EffectIntent, EffectState, answer_intent, refund_intent
from cases.ids import MAIN
from cases.invariants import Invariant, InvariantReport, Line
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.state import CaseState, CaseStatus

_NOW = datetime.now(UTC)
_ORDER = RefundOrder(
    charge_id="ch_1", amount=Money.parse("49.99", "USD"), anchor_charge="ch_0", slot=1
)
_POLICY = PolicySection(
    decision=Decision.REFUND,
    rule="proven_duplicate",
    reason="",
    policy_version=1,
    orders=(_ORDER,),
)
_REFUND = refund_intent(
    _ORDER, case_id="case_1", branch=MAIN, customer_id="cus_1", provider_account="a"
).model_copy(update={"limit_minor": 4999})


def entry(intent: EffectIntent, state: EffectState = EffectState.SUCCEEDED) -> LedgerEntry:
    return LedgerEntry(
        intent=intent, state=state, receipt="re_1", claimed_at=_NOW, age=timedelta(hours=1)
    )


def refund(
    amount: str = "49.99", currency: str = "USD", key: str | None = None, status: str = "succeeded"
) -> RefundRecord:
    return RefundRecord(
        amount=Money.parse(amount, currency),
        created_at=_NOW,
        status=status,
        receipt="re_1",
        key=key,
    )


def charge(*refunds: RefundRecord) -> Charge:
    return Charge(
        charge_id="ch_1",
        customer_id="cus_1",
        amount=Money.parse("49.99", "USD"),
        merchant="M",
        description="",
        created_at=_NOW,
        status=ChargeStatus.CAPTURED,
        refunds=refunds,
    )


def answer(text: str) -> tuple[LedgerEntry, SentMail]:
    intent = answer_intent(case_id="case_1", branch=MAIN, customer_id="cus_1", text=text)
    return entry(intent), SentMail("case_1", "answer", intent.key, text)


def approval(**changes: object) -> Approval:
    made = Approval(
        approval_id="apr_1",
        case_id="case_1",
        branch=MAIN,
        digest="d1",
        amount=_ORDER.amount,
        orders=(_ORDER,),
        rule="above_limit",
        state=ApprovalState.APPROVED,
        requested_at=_NOW,
        expires_at=_NOW,
    )
    return made.model_copy(update=changes)


def books(refunds: Sequence[RefundRecord], *entries: LedgerEntry) -> list[Invariant]:
    ledger = {one.key: one for one in entries}
    return [one.invariant for one in books_problems([charge(*refunds)], ledger)]


def test_two_sides_that_say_the_same_break_nothing() -> None:
    assert books([refund(key=_REFUND.key)], entry(_REFUND)) == []


def test_what_others_refunded_is_no_breach_though_it_is_too_much() -> None:
    assert books([refund("30.00"), refund("30.00")]) == []


def test_ours_beside_anothers_is_one_where_both_are_more_than_was_captured() -> None:
    assert books([refund(key=_REFUND.key), refund("0.01")], entry(_REFUND)) == [
        Invariant.ONE_REFUND
    ]
    assert books([refund(key=_REFUND.key), refund("0.01", status="failed")], entry(_REFUND)) == []
    assert books([refund(key=_REFUND.key), refund("0.01", "EUR")], entry(_REFUND)) == []


def test_what_the_ledger_will_still_learn_is_no_breach() -> None:
    pending = refund(key=_REFUND.key, status="pending")
    assert books([pending], entry(_REFUND, EffectState.UNKNOWN)) == []
    assert books([refund(key=_REFUND.key)], entry(_REFUND, EffectState.PENDING)) == []


def test_what_the_ledger_has_as_over_and_the_provider_has_as_paid_is_one() -> None:
    paid = refund(key=_REFUND.key)
    assert books([paid], entry(_REFUND, EffectState.REJECTED)) == [Invariant.ON_RECORD]


def test_a_difference_names_its_case_where_the_ledger_knows_one() -> None:
    [known] = books_problems([charge()], {_REFUND.key: entry(_REFUND)})
    [strange] = books_problems([charge(refund(key="rf1_x"))], {})

    assert known.case_ids == ("case_1",)
    assert known.missing == _REFUND
    assert known.finding("case_1").branch == MAIN
    assert strange.case_ids == ()
    assert strange.missing is None
    assert strange.task == "missing_here:rf1_x"


def test_what_a_rule_ordered_within_the_limit_needs_nobody() -> None:
    assert list(decision_problems(_REFUND, _POLICY, None)) == []


@pytest.mark.parametrize(
    ("policy", "changes", "words"),
    [
        (None, {}, "no rule"),
        (_POLICY.model_copy(update={"orders": ()}), {}, "no rule"),
        (_POLICY, {"amount": Money.parse("49.98", "USD")}, "no rule"),
        (_POLICY.model_copy(update={"approval_required": True}), {}, "names none"),
        (_POLICY, {"limit_minor": 4998}, "above the limit"),
        (_POLICY, {"limit_minor": None}, "above the limit"),
    ],
)
def test_a_refund_that_nobody_decided_is_told(
    policy: PolicySection | None, changes: dict[str, object], words: str
) -> None:
    [problem] = decision_problems(_REFUND.model_copy(update=changes), policy, None)

    assert words in problem


def test_an_approval_counts_for_its_own_digest_and_orders_only() -> None:
    asked = _POLICY.model_copy(update={"approval_required": True})
    bound = _REFUND.model_copy(update={"approval_id": "apr_1", "approval_digest": "d1"})

    assert list(decision_problems(bound, asked, approval())) == []
    [other] = decision_problems(bound, asked, approval(digest="d2"))
    [wrong] = decision_problems(bound, asked, approval(orders=()))
    assert "another digest" in other
    assert "something else" in wrong
    promoted = bound.model_copy(update={"promotes": "b1"})
    assert list(decision_problems(promoted, None, approval())) == []


def test_a_hot_copy_that_is_alike_breaks_nothing_and_what_differs_is_named() -> None:
    state = CaseState(case_id="case_1", customer_id="cus_1", version=3)
    newer = state.model_copy(update={"version": 4})

    assert copy_problem(state, state) is None
    assert copy_problem(newer, state) == "the hot copy is at version 4, the record at 3"
    wrong = state.model_copy(update={"error": "x", "retries": {"a": 1}})
    assert copy_problem(wrong, state) == "the hot copy differs at version 3: retries, error"


def problems_of(
    text: str, *refunds: LedgerEntry, status: CaseStatus = CaseStatus.ANSWERED
) -> list[str]:
    told, mail = answer(text)
    return list(answer_problems(status, [told, *refunds], [mail], [charge(refund("5.00"))]))


@pytest.mark.parametrize("text", ["Refunded: 49.99 USD.", "金額は49.99 USDです", "\u200f49.99 USD"])
def test_an_answer_that_speaks_of_what_was_paid_breaks_nothing(text: str) -> None:
    assert problems_of(text, entry(_REFUND)) == []


def test_an_answer_may_speak_of_what_others_paid_back() -> None:
    assert problems_of("5.00 USD came back, and 49.99 USD will.", entry(_REFUND)) == []


def test_an_answer_with_a_sum_on_nobodys_books_or_without_the_one_that_was_paid_is_told() -> None:
    [strange] = problems_of("49.99 USD and 7.00 USD.", entry(_REFUND))
    [silent] = problems_of("Hello.", entry(_REFUND))

    assert "7.00 USD" in strange
    assert "49.99 USD that was paid" in silent
    late = problems_of("Hello.", entry(_REFUND), status=CaseStatus.MANUAL_REVIEW)
    assert late == []


def test_a_second_answer_and_another_one_than_on_record_are_told() -> None:
    told, mail = answer("Hello.")
    again = mail._replace(key="an1_other")

    [twice] = answer_problems(CaseStatus.ANSWERED, [told], [mail, again], [])
    [other] = answer_problems(CaseStatus.ANSWERED, [told], [mail._replace(body="Bye.")], [])
    assert twice == "the customer got 2 answers"
    assert other == "the customer got another answer than the one on record"


def test_the_answer_of_a_promoted_branch_is_a_persons_to_word() -> None:
    told, mail = answer("Hello.")
    intent = told.intent.model_copy(update={"promotes": "b1"})

    found = answer_problems(CaseStatus.ANSWERED, [entry(intent), entry(_REFUND)], [mail], [])
    assert list(found) == []


def test_a_mail_that_one_side_lacks_is_told() -> None:
    told, mail = answer("Hello.")

    assert list(mail_problems([told], [mail])) == []
    [missing] = mail_problems([told], [])
    [strange] = mail_problems([], [mail])
    assert "no mail is there" in missing
    assert "never claimed" in strange


def test_a_report_tells_its_findings_by_invariant_and_by_case() -> None:
    line = Line("case_1", MAIN, "cus_1", CaseStatus.ANSWERED)
    found = line.breaks(Invariant.ENDS, "it is open")
    report = InvariantReport(lines=1, findings=(found, found))

    assert report.of(Invariant.ENDS) == [found, found]
    assert report.of(Invariant.DECIDED) == []
    assert report.case_ids == ["case_1"]
    assert not report.ok


def test_each_invariant_says_what_it_promises() -> None:
    assert len({one.promise for one in Invariant}) == len(Invariant) == 12
