"""The report of a backtest: counts and sums."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cases.approvals import ApprovalState
from cases.backtest import SkippedCase, SkipReason, rejudge_all
from cases.backtest_report import BacktestReport, Tally
from cases.effects import EffectState
from cases.money import Money
from cases.policy import Decision, PolicySection
from tests.cases.test_backtest import DAY, POLICY, THEN, decided, past, refund, usd


def reported(*cases: Any, **options: Any) -> BacktestReport:
    tally = Tally()
    for judged in rejudge_all(cases, POLICY):
        tally.add(judged)
    return tally.report(POLICY.version, **options)


def asked(minor: int) -> PolicySection:
    """What the policy before said above its limit."""
    return decided(Decision.NEEDS_HUMAN, approval_required=True, amount=usd(minor))


def minors(sums: Iterable[Any], field: str) -> list[int]:
    return [getattr(row, field).amount_minor for row in sums]


def test_nothing_to_judge_is_a_report_of_nothing() -> None:
    report = reported()

    assert (report.cases, report.flipped, report.totals, report.flips) == (0, 0, (), ())
    assert report.first_decision is report.last_decision is None


def test_paid_and_asked_are_summed_by_currency_and_by_rule() -> None:
    report = reported(
        past(40_000),
        past(60_000, case_id="case_2", decided=asked(60_000)),
        past(45_000, case_id="case_3", decided=asked(45_000)),
        past(70_000, case_id="case_4"),
    )

    (totals,) = report.totals
    assert totals.rule is None
    assert totals.paid_before == usd(110_000)
    assert totals.paid_after == usd(85_000)
    assert totals.paid_delta == usd(-25_000)
    assert totals.asked_before == usd(105_000)
    assert totals.asked_after == usd(130_000)
    assert totals.asked_delta == usd(25_000)
    assert [by.rule for by in report.by_rule] == ["a_rule", "above_limit", "proven_duplicate"]
    assert minors(report.by_rule, "paid_before") == [110_000, 0, 0]
    assert minors(report.by_rule, "paid_after") == [0, 0, 85_000]
    assert minors(report.by_rule, "asked_after") == [0, 130_000, 0]
    assert minors(report.by_rule, "paid_delta") == [-110_000, 0, 85_000]
    assert [(r.rule, r.before, r.after) for r in report.rules] == [
        ("a_rule", 4, 0), ("above_limit", 0, 2), ("proven_duplicate", 0, 2),
    ]  # fmt: skip


def test_flips_are_counted_by_outcome_and_listed_newest_first() -> None:
    report = reported(
        past(60_000, case_id="old", decided_at=THEN - DAY),
        past(60_000, refund(60_000, case_id="new"), case_id="new", approval=ApprovalState.DENIED),
        past(10_000, case_id="back", decided=asked(10_000), decided_at=THEN - 2 * DAY),
        past(10_000, case_id="same"),
    )

    assert (report.cases, report.flipped) == (4, 3)
    counts = [(flip.before, flip.after, flip.cases) for flip in report.flips_by_outcome]
    assert counts == [("approval", "refund", 1), ("refund", "approval", 2)]
    assert [flip.case_id for flip in report.flips] == ["new", "old", "back"]
    newest = report.flips[0]
    assert (newest.rule_before, newest.rule_after) == ("a_rule", "above_limit")
    assert (newest.approval, newest.paid) == (ApprovalState.DENIED, (usd(60_000),))
    assert (report.first_decision, report.last_decision) == (THEN - 2 * DAY, THEN)


def test_no_customer_is_named_anywhere() -> None:
    report = reported(past(60_000, customer_id="cus_secret"))

    assert "cus_secret" not in report.model_dump_json()


def test_what_was_really_paid_is_summed_by_who_let_it_out() -> None:
    euros = Money(amount_minor=7, currency="EUR")
    own = [
        refund(5, case_id="case_1"),
        refund(6, case_id="case_1", alone=False),
        refund(case_id="case_1", amount=euros, alone=False),
        refund(9, case_id="case_1", state=EffectState.REJECTED),
    ]

    report = reported(past(60_000, *own, approval=ApprovalState.APPROVED))

    found = [
        (s.currency, s.without_person.amount_minor, s.approved.amount_minor) for s in report.paid
    ]
    assert found == [("EUR", 0, 7), ("USD", 5, 6)]
    assert report.approvals == {ApprovalState.APPROVED: 1}
    assert report.flips[0].paid == (euros, usd(11))


def test_cases_beside_another_flip_of_the_same_customer_are_counted() -> None:
    alone = past(60_000, customer_id="cus_a")
    assert reported(alone).not_independent == 0
    assert reported(alone, past(customer_id="cus_b")).not_independent == 0
    assert reported(alone, past(customer_id="cus_a")).not_independent == 1
    assert reported(alone, alone).not_independent == 2
    nothing = past(customer_id="cus_a", billing=None, decided=decided(Decision.NEEDS_HUMAN))
    assert reported(alone, nothing).not_independent == 0


def test_two_people_are_counted_before_and_after() -> None:
    report = reported(
        past(10_000, decided=asked(10_000), approvers_needed=2),
        past(10_000, approvers_needed=2),
    )

    assert (report.two_people_before, report.two_people_after) == (1, 0)


def test_skipped_cases_are_counted_by_reason_and_some_are_named() -> None:
    newer = [SkippedCase(case_id=f"case_{n}", reason=SkipReason.SCHEMA_TOO_NEW) for n in range(30)]

    report = reported(*newer, SkippedCase(case_id="x", reason=SkipReason.NOT_DECIDED), past())

    assert [(s.reason, s.cases, len(s.case_ids)) for s in report.skipped] == [
        ("not_decided", 1, 1),
        ("schema_too_new", 30, 20),
    ]
    assert report.cases == 1


def test_the_report_is_the_same_after_a_trip_through_json() -> None:
    report = reported(past(60_000), since=THEN - timedelta(days=2))

    assert BacktestReport.model_validate(report.model_dump(mode="json")) == report
