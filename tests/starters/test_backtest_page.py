"""The page of a backtest: whole, self-contained, and with nothing in it that runs."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from cases.approvals import ApprovalState
from cases.backtest import SkippedCase, SkipReason, rejudge_all
from cases.backtest_report import BacktestReport, Tally
from cases.money import Money
from cases.policy import PolicySection
from starters.backtest_page import page_of
from tests.cases.test_backtest import POLICY, decided, past, refund, usd

MADE = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\u202e&\"'"
_VOID = {"meta", "rect"}


class Page(HTMLParser):
    """Checks that what is opened is closed, and keeps tags and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def reported(*cases: Any) -> BacktestReport:
    tally = Tally()
    for judged in rejudge_all(cases, POLICY):
        tally.add(judged)
    return tally.report(POLICY.version)


def evil() -> PolicySection:
    return decided(amount=usd(60_000)).model_copy(update={"rule": EVIL})


def test_it_says_what_the_report_says() -> None:
    own = refund(case_id="case_1", amount=usd(123_456_789), alone=False)
    page = Page(
        page_of(
            reported(
                past(60_000, own, approval=ApprovalState.APPROVED),
                SkippedCase(case_id="case_2", reason=SkipReason.DAMAGED),
            ),
            MADE,
        )
    )

    said = "\n".join(page.texts)
    for words in (
        "Backtest of refund policy version 2",
        "1 case that policy version 1 decided, judged by version 2: 1 would end otherwise.",
        "Decisions from 2026-05-01 12:00 to 2026-05-01 12:00 UTC. Made 2026-06-01 12:00 UTC.",
        "-600.00 USD",
        "+600.00 USD",
        "paid at once: a rule",
        "asked of a person: above limit",
        "approved, 1234567.89 USD paid",
        "Really paid in USD: 0.00 without a person, 1,234,567.89 approved.",
        "Not judged, damaged: 1 case (case_2).",
    ):
        assert words in said, words


def test_nothing_is_loaded_and_nothing_runs() -> None:
    text = page_of(reported(past(60_000)), MADE)
    page = Page(text)

    names = {name for name, _ in page.attributes}
    assert not {"src", "href", "style", "srcset", "action"} & names
    assert not [name for name in names if name.startswith("on")]
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"https?:|//|@import|url\(", text)
    policy = ("content", "default-src 'none'; style-src 'unsafe-inline'")
    assert policy in page.attributes


def test_whatever_is_on_record_is_text() -> None:
    text = page_of(reported(past(60_000, case_id=EVIL, decided=evil())), MADE)

    assert "<script" not in text
    assert "\u202e" not in text
    assert "script" not in Page(text).tags
    assert "<script>alert(1)</script>\\u202e&\"'" in "".join(Page(text).texts)


def test_the_longest_bar_is_the_largest_amount_and_the_others_are_in_proportion() -> None:
    cases = [past(40_000), past(20_000, case_id="b", decided=decided(amount=usd(10_000)))]

    text = page_of(reported(*cases), MADE)

    widths = re.findall(r'<rect class="(\w+)" x="\d+" y="\d+" width="(\d+)" height="18"/>', text)
    assert widths == [("before", "350"), ("after", "0"), ("before", "0"), ("after", "420")]


def test_each_currency_has_a_chart_of_its_own() -> None:
    yen = past(decided=decided(amount=Money(amount_minor=5, currency="JPY")))

    text = page_of(reported(past(60_000), yen), MADE)

    assert re.findall(r'aria-label="Money in (\w+) by rule', text) == ["JPY", "USD"]


def test_a_report_of_nothing_is_a_page_too() -> None:
    page = Page(page_of(reported(), MADE))

    assert "No case could be judged." in page.texts
    assert "svg" not in page.tags


def test_of_many_flips_the_newest_are_listed_and_the_others_counted() -> None:
    report = reported(*(past(60_000, case_id=f"case_{n}") for n in range(1003)))

    page = Page(page_of(report, MADE))

    assert sum(text.startswith("case_") for text in page.texts) == 1000
    assert "3 older flips are not listed: `--json` has them." in page.texts
