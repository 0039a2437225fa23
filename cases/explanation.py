"""An auditor's answer: for everything that was decided in a case, what it was decided from.

It is made of the record alone, so it is the same for a case that runs, waits or ended long ago.
Every row of the audit stands in it once, and what does not fit together is named in `gaps`.
"""

from collections.abc import Iterator
from datetime import datetime

from cases.errors import NotFound
from cases.explained_decisions import ExplainedDecision, decisions_of
from cases.explained_effects import ExplainedEffect, effects_of
from cases.explained_people import (
    ExplainedApproval,
    ExplainedCompensation,
    ExplainedTask,
    approvals_of,
    compensations_of,
    tasks_of,
)
from cases.policy import RefundPolicy
from cases.records import Record
from cases.trail import CaseFacts, Event, TrailRow


class Explanation(Record):
    """Everything that was decided and done in a case, each list oldest first."""

    case_id: str
    branch: str
    customer_id: str
    opened_by: str
    opened_at: datetime
    #: As of when; null where that is the present.
    as_of: datetime | None
    status: str | None
    checkpoint_id: str | None
    parent_checkpoint_id: str | None
    forked_by: str | None
    decisions: tuple[ExplainedDecision, ...]
    effects: tuple[ExplainedEffect, ...]
    approvals: tuple[ExplainedApproval, ...]
    compensations: tuple[ExplainedCompensation, ...]
    tasks: tuple[ExplainedTask, ...]
    #: What else is on record: messages, refusals, reminders, forks, promotions.
    events: tuple[Event, ...]
    #: What is missing or does not fit, one sentence each.
    gaps: tuple[str, ...]


class NotYetOnRecord(NotFound):
    def __init__(self, case_id: str, moment: datetime) -> None:
        super().__init__(f"Case {case_id} was not on record yet at {moment.isoformat()}.")


def explain(facts: CaseFacts, policy: RefundPolicy, moment: datetime | None = None) -> Explanation:
    """Explain the case now, or as of a moment; raises NotYetOnRecord.

    `policy` is the one at hand: of another version's decisions the limit is not told.
    """
    case = facts.case
    if moment is not None:
        facts = facts.before(moment)
        if not facts.trail:
            raise NotYetOnRecord(case.case_id, moment)
    decisions = decisions_of(facts, policy)
    effects = effects_of(facts)
    approvals = approvals_of(facts, effects)
    compensations = compensations_of(facts)
    tasks = tasks_of(facts)
    told = {one.audit.place for decision in decisions for one in decision.wrote}
    histories = [
        *(one.history for one in effects),
        *(one.history for one in approvals),
        *(one.history for one in compensations),
        *(one.history for one in tasks),
    ]
    told |= {event.audit.place for history in histories for event in history}
    last = max(
        (row for row in facts.trail if row.status), key=lambda row: row.version, default=None
    )
    parent = case.parent_version
    return Explanation(
        as_of=moment,
        status=last.status if last else None,
        checkpoint_id=facts.place(last.version) if last else None,
        parent_checkpoint_id=None if parent is None else facts.place(parent),
        decisions=decisions,
        effects=effects,
        approvals=approvals,
        compensations=compensations,
        tasks=tasks,
        events=tuple(_events(facts, told)),
        gaps=(
            *(gap for one in decisions for gap in one.gaps),
            *(gap for one in effects for gap in one.gaps),
            *(gap for one in approvals for gap in one.gaps),
        ),
        case_id=case.case_id,
        branch=case.branch,
        customer_id=case.customer_id,
        opened_by=case.opened_by,
        opened_at=case.opened_at,
        forked_by=case.forked_by,
    )


def _events(facts: CaseFacts, told: set[tuple[str, int]]) -> Iterator[Event]:
    """What is told nowhere else; of the main line's own effects a branch tells nothing."""
    for row in facts.trail:
        if (row.branch, row.seq) not in told and not _is_anothers_effect(facts, row):
            yield Event.of(facts, row)


def _is_anothers_effect(facts: CaseFacts, row: TrailRow) -> bool:
    return row.branch != facts.case.branch and row.event.startswith("effect_")
