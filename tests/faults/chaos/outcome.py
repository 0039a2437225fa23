"""What a run of chaos came to, counted on both sides: in Casekeeper's record and outside."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cases.ids import MAIN
from starters.session import Session
from tests.faults.chaos.plan import PlannedCase
from tests.faults.checked import check_invariants, problems_of

#: Calls of the model that a case needs.
CALLS_OF_A_CASE = 2
#: The ids in the name of a step.
_IDS = re.compile(r"(rf|rs|an)1_\w+|apr_\w+|ch_[\w-]+")
#: Rows that depend on who was faster: notices, and the undoing of a mail beside a settled refund.
_RACING = re.compile(r"nt1_|revoke_reset")

Trail = Counter[tuple[str, str, str, str]]

_CLOSED = "SELECT case_id FROM cases WHERE case_id = ANY($1) AND closed_at IS NOT NULL"
#: Without the notes of signals that came for nothing: whether one is sent again is chance.
_AUDIT = """
SELECT case_id, event, section, actor, step FROM case_audit
 WHERE case_id = ANY($1) AND event <> 'decision_ignored'"""
_REFUNDS = """
SELECT c.customer_id, count(*) FROM sandbox.current_refunds r
  JOIN sandbox.charges c ON c.id = r.charge_id WHERE c.customer_id = ANY($1) GROUP BY 1"""
_MAILS = """
SELECT case_id, kind, count(*) FROM sandbox.mails
 WHERE case_id = ANY($1) AND kind IN ('reset', 'answer') GROUP BY 1, 2"""


@dataclass(frozen=True)
class Outcome:
    """What is to be nought, and what is to be known."""

    #: Cases that did not come to their end in time.
    lost: Sequence[str]
    #: Cases with more than one refund, reset mail or answer.
    duplicated: Sequence[str]
    #: Cases that lack one of them.
    missing: Sequence[str]
    #: Audit rows too many or too few beside an undisturbed case, and damage of the chain.
    wrong_rows: Mapping[str, Sequence[str]]
    #: Calls of the model beyond what the cases needed.
    extra_calls: int
    #: From the first fault to the end of the last case.
    seconds: float
    #: What `casekeeper invariants` says of these cases.
    broken: Sequence[str]

    def problems(self) -> list[str]:
        """Each in a few words."""
        return [
            *(f"{case_id} was lost" for case_id in self.lost),
            *(f"{case_id} had something twice" for case_id in self.duplicated),
            *(f"{case_id} lacks a refund or a mail" for case_id in self.missing),
            *(f"{case_id}: {row}" for case_id, rows in self.wrong_rows.items() for row in rows),
            *self.broken,
        ]


async def ended_of(session: Session, cases: Sequence[PlannedCase]) -> set[str]:
    """The cases that are closed on record."""
    rows = await session.stores.pool.fetch(_CLOSED, [case.case_id for case in cases])
    return {row["case_id"] for row in rows}


async def outcome_of(
    session: Session,
    cases: Sequence[PlannedCase],
    calm: Mapping[int, Trail],
    *,
    calls: int,
    seconds: float,
) -> Outcome:
    """Count; `calm` has the trail of an undisturbed case by its amount."""
    ended = await ended_of(session, cases)
    sent = await _sent(session, cases)
    trails = await trails_of(session, cases)
    wrong = {
        case.case_id: [
            *_differences(calm[case.amount_minor], trails[case.case_id]),
            *map(str, await session.stores.audit.verify(case.case_id, MAIN)),
        ]
        for case in cases
        if case.case_id in ended
    }
    return Outcome(
        lost=[case.case_id for case in cases if case.case_id not in ended],
        duplicated=[case_id for case_id, counts in sent.items() if max(counts) > 1],
        missing=[case_id for case_id in ended if min(sent[case_id]) < 1],
        wrong_rows={case_id: rows for case_id, rows in wrong.items() if rows},
        extra_calls=calls - CALLS_OF_A_CASE * len(cases),
        seconds=seconds,
        broken=problems_of(await check_invariants(session.stores, session.settings, list(trails))),
    )


async def trails_of(session: Session, cases: Sequence[PlannedCase]) -> Mapping[str, Trail]:
    """The audit rows of each case, counted, without the ids that are its own."""
    found: dict[str, Trail] = {case.case_id: Counter() for case in cases}
    for row in await session.stores.pool.fetch(_AUDIT, list(found)):
        if not _RACING.match(row["step"]):
            step = _IDS.sub("*", row["step"])
            found[row["case_id"]][row["event"], row["section"] or "", row["actor"], step] += 1
    return found


async def _sent(
    session: Session, cases: Sequence[PlannedCase]
) -> Mapping[str, tuple[int, int, int]]:
    """How many refunds, reset mails and answers each case has outside."""
    sandbox = session.stores.sandbox
    customers = [case.customer_id for case in cases]
    refunds = {row["customer_id"]: row["count"] for row in await sandbox.fetch(_REFUNDS, customers)}
    rows = await sandbox.fetch(_MAILS, [case.case_id for case in cases])
    mails = {(row["case_id"], row["kind"]): row["count"] for row in rows}
    return {
        case.case_id: (
            refunds.get(case.customer_id, 0),
            mails.get((case.case_id, "reset"), 0),
            mails.get((case.case_id, "answer"), 0),
        )
        for case in cases
    }


def _differences(calm: Trail, found: Trail) -> list[str]:
    return [
        *(f"too many: {' '.join(row)}" for row in (found - calm).elements()),
        *(f"too few: {' '.join(row)}" for row in (calm - found).elements()),
    ]
