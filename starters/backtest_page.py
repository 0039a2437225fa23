"""The report of a backtest as one page of HTML that needs nothing else: no script, no host."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files

from cases.backtest_report import BacktestReport, MoneySums
from cases.money import Money
from starters.backtest_text import (
    MONEY_ROWS,
    OUTCOME,
    amount,
    happened,
    headline,
    money_rows,
    notes,
    plain,
    side,
    signed,
    sums,
)
from starters.terminal import visible

#: Whatever a cell may hold, nothing is loaded and nothing runs.
_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'"
#: The newest so many flips stand on the page.
_FLIPS_SHOWN = 1000
#: The chart, in its own units: the longest bar, and the height of a bar with its gap.
_LONGEST, _BAR = 420, 22
_LABELS, _AMOUNTS = 250, 150


def page_of(report: BacktestReport, made_at: datetime) -> str:
    """The whole page."""
    style = files("starters").joinpath("backtest.css").read_text("utf-8")
    title = f"Backtest of refund policy version {report.policy_version}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_ALLOWED}">',
            f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>",
            f"<h1>{_text(title)}</h1>",
            *(f"<p>{_text(line)}</p>" for line in headline(report)),
            f'<p class="quiet">{_text(_times(report, made_at))}</p>',
            *_tiles(report),
            *(part for totals in report.totals for part in _currency(report, totals)),
            *_rules(report),
            *_flips(report),
            "<h2>Notes</h2>\n<ul>",
            *(f"<li>{_text(line)}</li>" for line in notes(report, _FLIPS_SHOWN)),
            "<li>Each case was judged by what was on record when it was decided.</li>\n</ul>",
            "</main>\n</body>\n</html>\n",
        ]
    )


def _times(report: BacktestReport, made_at: datetime) -> str:
    made = f"Made {made_at:%Y-%m-%d %H:%M} UTC."
    if not (report.first_decision and report.last_decision):
        return made
    first, last = report.first_decision, report.last_decision
    return f"Decisions from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC. {made}"


def _tiles(report: BacktestReport) -> Iterator[str]:
    yield '<div class="tiles">'
    yield _tile(f"{report.cases:,}", "cases judged")
    yield _tile(f"{report.flipped:,}", "decisions flip")
    for totals in report.totals:
        for field, name in MONEY_ROWS.items():
            before, after = sums(totals, field)
            yield _tile(f"{signed(after - before)} {totals.currency}", name.lower())
    yield "</div>"


def _tile(value: str, name: str) -> str:
    return f'<div class="tile"><b>{_text(value)}</b><span>{_text(name)}</span></div>'


def _currency(report: BacktestReport, totals: MoneySums) -> Iterator[str]:
    """A currency's chart and table."""
    yield f"<h2>Money in {_text(totals.currency)}</h2>"
    yield _chart(report, totals.currency)
    rows = [
        (("<b>" + _text(name) + "</b>") if is_sum else _text(name), cells)
        for name, cells, is_sum in money_rows(report, totals)
    ]
    yield _table(
        ("", "before", "after", "difference"),
        ([name, *map(_text, cells)] for name, cells in rows),
        numbers=(1, 2, 3),
    )


def _chart(report: BacktestReport, currency: str) -> str:
    """Two bars for each rule that lets money out: before and after."""
    rows = [
        (f"{plain(by.rule or '')}: {what}", sums(by, field))
        for field, what in (("paid", "paid"), ("asked", "asked"))
        for by in report.by_rule
        if by.currency == currency and any(sums(by, field))
    ]
    most = max((money.amount_minor for _, both in rows for money in both), default=0)
    width, height = _LABELS + _LONGEST + _AMOUNTS, len(rows) * (2 * _BAR + 16) + 36
    label = f"Money in {currency} by rule, before and after"
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{_text(label)}">']
    parts += _legend()
    for place, (name, both) in enumerate(rows):
        top = 36 + place * (2 * _BAR + 16)
        parts.append(
            f'<text class="name" x="{_LABELS - 10}" y="{top + _BAR + 4}">{_text(name)}</text>'
        )
        parts += [
            _bar(kind, money, most, top + number * _BAR)
            for number, (kind, money) in enumerate(zip(("before", "after"), both, strict=True))
        ]
    return "\n".join([*parts, "</svg>"])


def _legend() -> Iterator[str]:
    for number, kind in enumerate(("before", "after")):
        left = _LABELS + number * 110
        yield f'<rect class="{kind}" x="{left}" y="6" width="14" height="14"/>'
        yield f'<text x="{left + 20}" y="18">{kind}</text>'


def _bar(kind: str, money: Money, most: int, top: int) -> str:
    length = money.amount_minor * _LONGEST // most if most else 0
    return (
        f'<rect class="{kind}" x="{_LABELS}" y="{top}" width="{length}" height="{_BAR - 4}"/>'
        f'<text x="{_LABELS + length + 8}" y="{top + 14}">{_text(amount(money))}</text>'
    )


def _rules(report: BacktestReport) -> Iterator[str]:
    if not report.cases:
        return
    yield "<h2>Cases by rule</h2>"
    rows = [(rule.rule, rule.before, rule.after) for rule in report.rules]
    yield _table(
        ("rule", "before", "after", "difference"),
        (
            [_text(plain(r)), f"{b:,}", f"{a:,}", f"{a - b:+,}" if a != b else "0"]
            for r, b, a in rows
        ),
        numbers=(1, 2, 3),
    )


def _flips(report: BacktestReport) -> Iterator[str]:
    if not report.flips:
        return
    yield "<h2>Decisions that flip</h2>"
    yield _table(
        ("cases", "before", "after"),
        ([f"{f.cases:,}", OUTCOME[f.before], OUTCOME[f.after]] for f in report.flips_by_outcome),
        numbers=(0,),
    )
    rows = (
        [
            flip.case_id,
            f"{flip.decided_at:%Y-%m-%d %H:%M}",
            str(flip.amount or ""),
            side(flip.before, flip.rule_before),
            side(flip.after, flip.rule_after),
            happened(flip),
        ]
        for flip in report.flips[:_FLIPS_SHOWN]
    )
    yield _table(
        ("case", "decided (UTC)", "amount", "before", "after", "what happened"),
        (list(map(_text, row)) for row in rows),
        numbers=(2,),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int]) -> str:
    """A table of cells that are HTML already; some of the columns hold numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="number"' if place in numbers else "" for place in range(len(cells))]
        inner = "".join(f"<{tag}{k}>{cell}</{tag}>" for k, cell in zip(kinds, cells, strict=True))
        return f"<tr>{inner}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    head = line(columns, "th")
    return (
        f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )


def _text(text: str) -> str:
    """Nothing of it is markup, and nothing hides."""
    return escape(visible(text))
