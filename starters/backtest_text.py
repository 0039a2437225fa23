"""The report of a backtest for people, and the words that its page uses too."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from cases.backtest import PolicyOutcome, SkipReason
from cases.backtest_report import BacktestReport, Flip, MoneySums
from cases.money import Money
from starters.terminal import out, plain_table, visible

#: People are shown so many flips; `--json` has all of them.
_FLIPS_SHOWN = 20

OUTCOME = {
    PolicyOutcome.REFUND: "paid at once",
    PolicyOutcome.APPROVAL: "asked of a person",
    PolicyOutcome.PERSON: "a person takes over",
    PolicyOutcome.NO_ACTION: "nothing to pay",
}
_SKIPPED = {
    SkipReason.NOT_DECIDED: "no policy step yet",
    SkipReason.SCHEMA_TOO_NEW: "stored by a newer Casekeeper",
    SkipReason.DAMAGED: "damaged",
    SkipReason.ERASED: "erased",
}
#: The fields of MoneySums in rows, and what they are called.
MONEY_ROWS = {"paid": "Paid without a person", "asked": "Asked of a person"}


def print_report(result: dict[str, Any]) -> None:
    """The report of at most 80 columns."""
    report = BacktestReport.model_validate(result)
    for line in headline(report):
        out.print(Text(line), soft_wrap=True)
    if report.cases:
        for table in _tables(report):
            out.print()
            out.print(table)
        out.print()
    for line in notes(report, _FLIPS_SHOWN):
        out.print(Text(visible(line)), style="dim", soft_wrap=True)


def headline(report: BacktestReport) -> Iterator[str]:
    """What was judged, and how much of it flips."""
    if not report.cases:
        yield "No case could be judged."
        return
    versions = " and ".join(map(str, report.versions_before))
    yield (
        f"{_cases(report.cases)} that policy version {versions} decided, "
        f"judged by version {report.policy_version}: "
        f"{report.flipped or 'none'} would end otherwise."
    )


def notes(report: BacktestReport, flips_shown: int) -> Iterator[str]:
    """What a reader must know beside the tables."""
    for sums in report.paid:
        yield (
            f"Really paid in {sums.currency}: {amount(sums.without_person)} without a person, "
            f"{amount(sums.approved)} approved."
        )
    if report.approvals:
        counts = ", ".join(f"{n} {state}" for state, n in report.approvals.items())
        yield f"Requests to approve: {counts}."
    if report.two_people_before or report.two_people_after:
        before, after = report.two_people_before, report.two_people_after
        yield f"Two people asked: {before} before, {after} after."
    if report.not_independent:
        yield (
            f"{_cases(report.not_independent)} of customers of whom another decision flips: each "
            "was judged alone, as if the other one stood."
        )
    if len(report.flips) > flips_shown:
        yield f"{len(report.flips) - flips_shown} older flips are not listed: `--json` has them."
    for skipped in report.skipped:
        named = "" if skipped.reason is SkipReason.NOT_DECIDED else _named(skipped.case_ids)
        yield f"Not judged, {_SKIPPED[skipped.reason]}: {_cases(skipped.cases)}{named}."


def amount(money: Money) -> str:
    """As people read large sums, without the currency."""
    return f"{Decimal(money.decimal()):,f}"


def signed(money: Money) -> str:
    """A difference with its sign."""
    return f"{Decimal(money.decimal()):+,f}" if money else "0"


def plain(rule: str) -> str:
    """A rule's name for people."""
    return visible(rule.replace("_", " "))


def side(outcome: PolicyOutcome, rule: str) -> str:
    """What one policy says about a case."""
    return f"{OUTCOME[outcome]}: {plain(rule)}"


def happened(flip: Flip) -> str:
    """What really became of a case."""
    paid = " and ".join(map(str, flip.paid))
    parts = [flip.approval.value if flip.approval else "", f"{paid} paid" if paid else ""]
    return ", ".join(filter(None, parts)) or "nothing paid"


def money_rows(report: BacktestReport, totals: MoneySums) -> Iterator[tuple[str, list[str], bool]]:
    """A currency's sums and then those of each rule: name, cells, and whether it is a sum."""
    for field, name in MONEY_ROWS.items():
        yield name, _cells(totals, field), True
        for by in report.by_rule:
            if by.currency == totals.currency and any(sums(by, field)):
                yield plain(by.rule or ""), _cells(by, field), False


def sums(row: MoneySums, field: str) -> tuple[Money, Money]:
    """What a row says of "paid" or "asked": before and after."""
    return getattr(row, f"{field}_before"), getattr(row, f"{field}_after")


def _cells(row: MoneySums, field: str) -> list[str]:
    before, after = sums(row, field)
    return [amount(before), amount(after), signed(after - before)]


def _tables(report: BacktestReport) -> Iterator[Table]:
    if report.flipped:
        flipped = plain_table("flips", "from", "to")
        for count in report.flips_by_outcome:
            flipped.add_row(str(count.cases), OUTCOME[count.before], OUTCOME[count.after])
        yield _numbers(flipped, ["flips"])
    rules = plain_table("rule", "before", "after", "difference")
    for rule in report.rules:
        change = f"{rule.after - rule.before:+}" if rule.after != rule.before else "0"
        rules.add_row(plain(rule.rule), str(rule.before), str(rule.after), change)
    yield _numbers(rules, ["before", "after", "difference"])
    for totals in report.totals:
        money = plain_table(totals.currency, "before", "after", "difference")
        for name, cells, is_sum in money_rows(report, totals):
            money.add_row(Text(name, style="bold") if is_sum else f"  {name}", *cells)
        yield _numbers(money, ["before", "after", "difference"])
    if report.flips:
        yield _flips(report.flips[:_FLIPS_SHOWN])


def _flips(flips: Iterable[Flip]) -> Table:
    table = plain_table("case", "amount", "before", "after", "what happened")
    for flip in flips:
        table.add_row(
            flip.case_id,
            str(flip.amount or ""),
            side(flip.before, flip.rule_before),
            side(flip.after, flip.rule_after),
            happened(flip),
        )
    return table


def _numbers(table: Table, columns: Iterable[str]) -> Table:
    for column in table.columns:
        if str(column.header) in columns:
            column.justify = "right"
    return table


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number:,} cases"


def _named(case_ids: tuple[str, ...]) -> str:
    return f" ({', '.join(case_ids)})" if case_ids else ""
