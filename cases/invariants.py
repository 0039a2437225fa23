"""The invariants: what holds of every case whatever failed, and how a breach is told."""

from enum import StrEnum
from typing import NamedTuple

from cases.records import Record
from cases.state import CaseStatus


class Invariant(StrEnum):
    """One thing that always holds."""

    ONE_REFUND = "I1"
    DECIDED = "I2"
    ENDS = "I3"
    ON_RECORD = "I4"
    AUDITED = "I5"
    DURABLE = "I6"
    WHOLE_NUMBERS = "I7"
    NOTHING_PRIVATE = "I8"
    ONE_ANSWER = "I9"
    WITHIN_BUDGET = "I10"
    PERMITTED = "I11"
    REPLAYS = "I12"

    @property
    def promise(self) -> str:
        """What it says, in one line."""
        return _PROMISES[self]


_PROMISES = {
    Invariant.ONE_REFUND: "a duplicate is paid back once, and no charge beyond what was captured",
    Invariant.DECIDED: "a rule decided each refund, and a person what is above the limit",
    Invariant.ENDS: "each case comes to one of its four ends, and none is lost",
    Invariant.ON_RECORD: "what leaves has a row before and an outcome after, or is looked for",
    Invariant.AUDITED: "the audit has every step once, and its chain holds",
    Invariant.DURABLE: "Postgres alone has the whole case; a hot copy says nothing else",
    Invariant.WHOLE_NUMBERS: "money is whole minor units and a currency",
    Invariant.NOTHING_PRIVATE: "no mail address, telephone, IBAN or card stands where none belongs",
    Invariant.ONE_ANSWER: "the customer gets one answer, and its amounts are the ledger's",
    Invariant.WITHIN_BUDGET: "a case calls models no more often than its budget allows",
    Invariant.PERMITTED: "a person's decision is used once, and was that person's to make",
    Invariant.REPLAYS: "every stored history replays with this build",
}


class Finding(Record):
    """One breach of an invariant; without a case where it is the whole record's."""

    invariant: Invariant
    case_id: str | None = None
    branch: str | None = None
    problem: str


class InvariantReport(Record):
    """What a check came to. What was not looked at is named."""

    #: How many lines were looked at: the main line of a case, or a branch of it.
    lines: int
    skipped: tuple[Invariant, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def case_ids(self) -> list[str]:
        """The cases that break an invariant."""
        return sorted({one.case_id for one in self.findings if one.case_id})

    def of(self, invariant: Invariant) -> list[Finding]:
        """The breaches of one invariant."""
        return [one for one in self.findings if one.invariant is invariant]


class Line(NamedTuple):
    """The main line of a case, or a branch of it."""

    case_id: str
    branch: str
    customer_id: str
    status: CaseStatus
    #: What it held of its customer cannot be read any more: the tables' own facts are left.
    erased: bool = False

    def breaks(self, invariant: Invariant, problem: str) -> Finding:
        """The finding that this line breaks it."""
        return Finding(
            invariant=invariant, case_id=self.case_id, branch=self.branch, problem=problem
        )
