"""Every metric and label that the dashboard and the alerts name is exposed by a running worker."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scraped import Sample, Scraped

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
#: What is asked of Prometheus, by where it stands.
ASKED: dict[str, str] = {
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
}

#: A metric with its matchers, and the labels that are grouped by.
_SELECTOR = re.compile(r"\b((?:temporal|casekeeper)_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)(=|!=)"([^"]*)"')
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def selected(expression: str, samples: list[Sample]) -> dict[str, list[Sample]]:
    """By selector, the samples that it finds."""
    return {
        match[0]: [one for one in samples if one.name == match[1] and _fits(one, match[2] or "")]
        for match in _SELECTOR.finditer(expression)
    }


def _fits(sample: Sample, matchers: str) -> bool:
    # 👉 Prometheus lets a label that is not there pass a `!=`: here it must be there.
    return all(
        name in sample.labels and (sample.labels[name] == value) == (how == "=")
        for name, how, value in _MATCHER.findall(matchers)
    )


def grouped_by(expression: str) -> set[str]:
    return {label.strip() for found in _GROUPED.findall(expression) for label in found.split(",")}


@pytest.mark.parametrize("place", ASKED)
def test_all_that_is_asked_for_is_exposed(place: str, scraped: Scraped) -> None:
    found = selected(ASKED[place], scraped.samples)

    assert found
    for selector, samples in found.items():
        assert samples, selector
        for label in grouped_by(ASKED[place]):
            assert any(label in sample.labels for sample in samples), (selector, label)


def test_a_name_a_label_or_a_value_that_is_not_exposed_is_found(scraped: Scraped) -> None:
    for wrong in (
        "casekeeper_cases_close_total",
        "casekeeper_cases_closed",
        'casekeeper_cases_closed_total{state="answered"}',
        'casekeeper_cases_closed_total{status="answer"}',
    ):
        assert list(selected(f"sum({wrong})", scraped.samples).values()) == [[]]


def test_each_of_our_own_metrics_is_shown_or_alerted_on(scraped: Scraped) -> None:
    ours = {sample.name for sample in scraped.samples if sample.name.startswith("casekeeper_")}
    histograms = re.compile(r"(_seconds)_(bucket|sum|count)$")
    named = {match[1] for text in ASKED.values() for match in _SELECTOR.finditer(text)}

    assert {histograms.sub(r"\1", name) for name in ours} == {
        histograms.sub(r"\1", name) for name in named if name.startswith("casekeeper_")
    }


def test_a_refund_is_counted_at_each_of_its_outcomes_and_its_money_once(scraped: Scraped) -> None:
    """That of `pending` was paid later, which the reconciliation found out."""
    assert scraped.total("casekeeper_refunds_total", state="pending") == 1
    assert scraped.total("casekeeper_refunds_total", state="succeeded") == 4
    assert scraped.total("casekeeper_refunded_minor_total", currency="USD") == 3 * 4999 + 120_000


def test_no_label_tells_of_a_case_or_a_person(scraped: Scraped) -> None:
    labels = {name for sample in scraped.samples for name in sample.labels}

    assert labels <= {
        *("namespace", "service_name", "task_queue", "workflow_type", "activity_type", "le"),
        *("operation", "poller_type", "worker_type", "failure_reason", "eager", "status_code"),
        *("status", "state", "currency", "kind", "end", "model", "direction"),
    }
    for name in ("calm", "drop", "asked", "not_ours", "sk-canary", "Northwind", "Sam Example"):
        assert not re.search(rf"\b{name}\b", scraped.text), name


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_it_means(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert "(" in rule["expr"]
    assert rule["expr"].count("(") == rule["expr"].count(")")
    templated = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert templated <= grouped_by(rule["expr"])


def test_every_alert_has_a_section_that_says_what_to_do_and_no_section_lacks_its_alert() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)

    assert [name for name, _ in sections] == [rule["alert"] for rule in ALERTS]
    for name, text in sections:
        assert "**Do:**" in text, name


def test_every_panel_has_its_own_place_and_a_data_source_that_can_be_chosen() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${source}"}
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["source"]
