"""What a reconciliation is started with, and what its report says."""

import pytest

from cases.comparison import DifferenceKind
from cases.reconciliation import (
    LISTED,
    CompareReport,
    ReconcileReport,
    ReconcileTask,
    SettleReport,
    TakeoverReport,
)
from tests.cases.test_comparison import compare, entry, refund

QUIET = ReconcileReport(open_effects=SettleReport(waiting=3), ended_runs=TakeoverReport())


@pytest.mark.parametrize("given", [None, [], "x", 7, {}, {"days": 3}, {"compare_days": {}}])
def test_whatever_it_is_started_with_is_no_comparison_at_least(given: object) -> None:
    assert ReconcileTask.model_validate(given).compare_days == 0


@pytest.mark.parametrize("days", [-1, True, "2", 2.5, None, 10**400 * -1])
def test_days_that_are_none_are_no_comparison(days: object) -> None:
    assert ReconcileTask.model_validate({"compare_days": days}).compare_days == 0


def test_days_are_taken_as_given_up_to_ten_years() -> None:
    assert ReconcileTask.model_validate({"compare_days": 2, "more": 1}).compare_days == 2
    assert ReconcileTask(compare_days=10**9).compare_days == 3650


def test_a_person_is_needed_for_whatever_does_not_settle_by_itself() -> None:
    assert not QUIET.needs_person
    for part in (
        {"open_effects": SettleReport(handed_over=1)},
        {"ended_runs": TakeoverReport(taken_over=1)},
        {"ended_runs": TakeoverReport(left=1)},
        {"compared": CompareReport(for_people=1)},
        {"compared": CompareReport(not_looked_up=1)},
    ):
        assert QUIET.model_copy(update=part).needs_person
    noted = CompareReport(counts={DifferenceKind.UNKNOWN_ORIGIN: 9})
    assert not QUIET.model_copy(update={"compared": noted}).needs_person


def test_the_longest_report_fits_a_payload() -> None:
    ours = entry(1)
    long = ours.model_copy(
        update={
            "intent": ours.intent.model_copy(
                update={"key": "k" * 64, "charge_id": "c" * 64, "case_id": "i" * 64}
            ),
            "receipt": "r" * 64,
        }
    )
    [found] = compare([long], [refund(long, charge_id="d" * 64, receipt="r" * 64)])
    report = QUIET.model_copy(update={"compared": CompareReport(differences=(found,) * LISTED)})

    assert len(report.model_dump_json()) < 256 * 1024
