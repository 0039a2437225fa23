"""The report of a backtest: how many decisions flip, and what that means in money."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime

from cases.approvals import ApprovalState
from cases.backtest import JudgedCase, PolicyOutcome, SkippedCase, SkipReason
from cases.money import Money
from cases.policy import PolicySection
from cases.records import Record

#: So many of the cases that were skipped for one reason are named.
_NAMED = 20


class MoneySums(Record):
    """What the decisions let out in one currency, before and after: by one rule, or by all."""

    currency: str
    rule: str | None
    #: Paid without a person.
    paid_before: Money
    paid_after: Money
    paid_delta: Money
    #: Asked of a person.
    asked_before: Money
    asked_after: Money
    asked_delta: Money


class PaidSums(Record):
    """What those cases have really paid in one currency, or have on its way."""

    currency: str
    without_person: Money
    approved: Money


class RuleCount(Record):
    """How many cases a rule decided."""

    rule: str
    before: int
    after: int


class FlipCount(Record):
    """How many cases went from one outcome to another one."""

    before: PolicyOutcome
    after: PolicyOutcome
    cases: int


class Flip(Record):
    """A case that the other policy decides otherwise."""

    case_id: str
    decided_at: AwareDatetime
    #: What was, or would be, refunded; none where neither decision is about money.
    amount: Money | None
    before: PolicyOutcome
    after: PolicyOutcome
    rule_before: str
    rule_after: str
    #: What really happened: where the request to approve stands, and what was paid.
    approval: ApprovalState | None
    paid: tuple[Money, ...]


class Skipped(Record):
    """Cases that were not judged, some of them by name."""

    reason: SkipReason
    cases: int
    case_ids: tuple[str, ...]


class BacktestReport(Record):
    """What another policy would have changed."""

    policy_version: int
    #: How many cases each version of the policy had decided.
    versions_before: dict[int, int]
    cases: int
    flipped: int
    flips_by_outcome: tuple[FlipCount, ...]
    #: Cases about money of customers of whom another case flips: each was judged alone.
    not_independent: int
    #: How many cases two people are asked about.
    two_people_before: int
    two_people_after: int
    totals: tuple[MoneySums, ...]
    by_rule: tuple[MoneySums, ...]
    rules: tuple[RuleCount, ...]
    paid: tuple[PaidSums, ...]
    #: How many cases have a request to approve that stands there.
    approvals: dict[ApprovalState, int]
    #: Newest first.
    flips: tuple[Flip, ...]
    skipped: tuple[Skipped, ...]
    since: AwareDatetime | None = None
    first_decision: AwareDatetime | None = None
    last_decision: AwareDatetime | None = None


class Tally:
    """Adds up judged cases; keeps of each no more than its numbers, and of a flip its line."""

    def __init__(self) -> None:
        self._cases = 0
        self._versions: Counter[int] = Counter()
        self._before, self._after = _Side(), _Side()
        self._paid: Counter[tuple[str, bool]] = Counter()
        self._approvals: Counter[ApprovalState] = Counter()
        #: By customer.
        self._about_money: Counter[str] = Counter()
        self._flips_of: Counter[str] = Counter()
        self._flips: list[Flip] = []
        self._skipped: dict[SkipReason, list[str]] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None

    def add(self, judged: JudgedCase | SkippedCase) -> None:
        """Take one more case into account."""
        if isinstance(judged, SkippedCase):
            self._skipped.setdefault(judged.reason, []).append(judged.case_id)
            return
        case = judged.case
        self._cases += 1
        self._versions[case.decided.policy_version] += 1
        self._first = min(self._first or case.decided_at, case.decided_at)
        self._last = max(self._last or case.decided_at, case.decided_at)
        self._before.add(case.decided, case.approvers_needed)
        self._after.add(judged.after, judged.approvers_needed)
        for refund in case.paid():
            self._paid[refund.amount.currency, refund.alone] += refund.amount.amount_minor
        if case.approval:
            self._approvals[case.approval] += 1
        about_money = any(outcome.about_money for outcome in judged.outcomes)
        self._about_money[case.customer_id] += about_money
        if judged.flips:
            self._flips_of[case.customer_id] += about_money
            self._flips.append(_flip(judged))

    def report(self, policy_version: int, since: datetime | None = None) -> BacktestReport:
        """What was added so far."""
        rows = sorted(self._before.rows() | self._after.rows())
        return BacktestReport(
            policy_version=policy_version,
            versions_before=dict(sorted(self._versions.items())),
            cases=self._cases,
            flipped=len(self._flips),
            flips_by_outcome=_by_outcome(self._flips),
            not_independent=self._not_independent(),
            two_people_before=self._before.two_people,
            two_people_after=self._after.two_people,
            totals=tuple(self._sums(code) for code in sorted({code for code, _ in rows})),
            by_rule=tuple(self._sums(code, rule) for code, rule in rows),
            rules=tuple(
                RuleCount(rule=rule, before=self._before.rules[rule], after=self._after.rules[rule])
                for rule in sorted(self._before.rules | self._after.rules)
            ),
            paid=tuple(
                self._really_paid(code) for code in sorted({code for code, _ in self._paid})
            ),
            approvals=dict(sorted(self._approvals.items())),
            flips=tuple(sorted(self._flips, key=_time_of, reverse=True)),
            skipped=tuple(
                Skipped(reason=reason, cases=len(ids), case_ids=tuple(ids[:_NAMED]))
                for reason, ids in sorted(self._skipped.items())
            ),
            since=since,
            first_decision=self._first,
            last_decision=self._last,
        )

    def _sums(self, currency: str, rule: str | None = None) -> MoneySums:
        paid, asked = (
            [_money(side.sum(outcome, currency, rule), currency) for side in self._sides]
            for outcome in (PolicyOutcome.REFUND, PolicyOutcome.APPROVAL)
        )
        return MoneySums(
            currency=currency,
            rule=rule,
            paid_before=paid[0],
            paid_after=paid[1],
            paid_delta=paid[1] - paid[0],
            asked_before=asked[0],
            asked_after=asked[1],
            asked_delta=asked[1] - asked[0],
        )

    @property
    def _sides(self) -> tuple["_Side", "_Side"]:
        return self._before, self._after

    def _really_paid(self, currency: str) -> PaidSums:
        alone, approved = (_money(self._paid[currency, by], currency) for by in (True, False))
        return PaidSums(currency=currency, without_person=alone, approved=approved)

    def _not_independent(self) -> int:
        return sum(
            self._about_money[customer] - (flips == 1)
            for customer, flips in self._flips_of.items()
            if flips
        )


class _Side:
    """What one policy decided."""

    def __init__(self) -> None:
        self.rules: Counter[str] = Counter()
        self.two_people = 0
        #: Minor units.
        self._money: Counter[tuple[PolicyOutcome, str, str]] = Counter()

    def add(self, section: PolicySection, approvers_needed: int) -> None:
        self.rules[section.rule] += 1
        outcome = PolicyOutcome.of(section)
        self.two_people += outcome is PolicyOutcome.APPROVAL and approvers_needed > 1
        if outcome.about_money and section.amount:
            amount = section.amount
            self._money[outcome, amount.currency, section.rule] += amount.amount_minor

    def rows(self) -> set[tuple[str, str]]:
        """The currencies and rules that it let money out in."""
        return {(currency, rule) for _, currency, rule in self._money}

    def sum(self, outcome: PolicyOutcome, currency: str, rule: str | None) -> int:
        """Of one rule, or of all."""
        return sum(
            minor
            for (which, code, by), minor in self._money.items()
            if (which, code) == (outcome, currency) and rule in (None, by)
        )


def _flip(judged: JudgedCase) -> Flip:
    case, (before, after) = judged.case, judged.outcomes
    return Flip(
        case_id=case.case_id,
        decided_at=case.decided_at,
        amount=judged.after.amount or case.decided.amount,
        before=before,
        after=after,
        rule_before=case.decided.rule,
        rule_after=judged.after.rule,
        approval=case.approval,
        paid=_by_currency(refund.amount for refund in case.paid()),
    )


def _by_outcome(flips: Iterable[Flip]) -> tuple[FlipCount, ...]:
    counts = Counter((flip.before, flip.after) for flip in flips)
    return tuple(
        FlipCount(before=before, after=after, cases=cases)
        for (before, after), cases in sorted(counts.items())
    )


def _by_currency(amounts: Iterable[Money]) -> tuple[Money, ...]:
    sums: Counter[str] = Counter()
    for amount in amounts:
        sums[amount.currency] += amount.amount_minor
    return tuple(_money(minor, currency) for currency, minor in sorted(sums.items()))


def _time_of(flip: Flip) -> tuple[datetime, str]:
    return flip.decided_at, flip.case_id


def _money(minor: int, currency: str) -> Money:
    return Money(amount_minor=minor, currency=currency)
