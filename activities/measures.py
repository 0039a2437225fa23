"""What is counted of cases, where it was just committed: once, and not again by a repeat.

No label names a case or a person. What the command line commits is not counted: it is no worker.
"""

from temporalio import activity

from cases.comparison import DifferenceKind
from cases.effects import EffectIntent, EffectState, Outcome
from cases.ids import MAIN
from cases.state import CaseStatus


def count_closed(status: CaseStatus) -> None:
    """A case has come to its end."""
    _count("casekeeper_cases_closed", "Cases that were closed, by their end", status=status.value)


def count_refund(intent: EffectIntent, outcome: Outcome) -> None:
    """What became of a refund is on record: first `pending` or `unknown`, say, and then its end."""
    if not is_counted(intent):
        return
    state = outcome.state.value
    _count("casekeeper_refunds", "Refunds, by what became of them", state=state)
    if outcome.state is EffectState.SUCCEEDED and intent.amount:
        _count(
            "casekeeper_refunded_minor",
            "Money paid back, in minor units",
            intent.amount.amount_minor,
            currency=intent.amount.currency,
        )


def is_counted(intent: EffectIntent) -> bool:
    """A branch pays nothing."""
    return intent.kind.moves_money and intent.branch == MAIN


def count_difference(kind: DifferenceKind) -> None:
    """The provider's records and the ledger differ: it was settled, or became a person's task."""
    _count("casekeeper_differences", "Differences that comparisons found", kind=kind.value)


def _count(name: str, description: str, number: int = 1, **labels: str) -> None:
    if activity.in_activity():
        activity.metric_meter().create_counter(name, description).add(number, labels)
