"""`casekeeper demo`: the main job on real servers, from nothing to the answer."""

import re
import signal
from pathlib import Path
from typing import Any

from tests.e2e.shell import Done, Shell, eventually
from tests.runtime.test_embedded import is_deserted

STEPS = ["understanding", "account", "billing", "policy", "reset mail", "refund", "response"]


def assert_the_main_job(views: list[dict[str, Any]], outside: dict[str, Any] | None) -> None:
    twice, big = views
    assert [view["status"] for view in views] == ["answered", "answered"]
    assert twice["sections"]["refund"]["amount"] == {"amount_minor": 4999, "currency": "USD"}
    assert twice["sections"]["account"]["reset_sent"] is True
    assert "49.99 USD" in twice["answer"]
    assert "reset your password" in twice["answer"]
    assert big["sections"]["approval"]["state"] == "approved"
    assert big["sections"]["refund"]["amount"] == {"amount_minor": 120_000, "currency": "USD"}
    assert "1200.00 USD" in big["answer"]
    if outside is None:
        return
    for view in views:
        customer, case_id = view["customer_id"], view["case_id"]
        charges = [c["id"] for c in outside["charges"] if c["customer_id"] == customer]
        [refund] = [r for r in outside["refunds"] if r["charge_id"] in charges]
        assert refund["amount_minor"] == view["sections"]["refund"]["amount"]["amount_minor"]
        [answer] = [a for a in outside["answers"] if a["case_id"] == case_id]
        assert answer["body"] == view["answer"]
        mails = [m for m in outside["mails"] if m["case_id"] == case_id]
        assert len(mails) == (view is twice)


def assert_nothing_runs(home: Path) -> None:
    eventually(lambda: is_deserted(home), 15)
    assert not (home / "stack.json").exists()


def assert_reads_well(done: Done) -> None:
    assert "\x1b" not in done.out
    for line in done.out.splitlines():
        assert len(line) <= 80 or line.startswith("http://127.0.0.1:"), line
    assert len(re.findall(r"^http://127\.0\.0\.1:\d+/namespaces/default/workflows/", done.out,
                          re.MULTILINE)) == 2  # fmt: skip
    places = [re.search(rf"^[\d:.]+ +{step} ", done.out, re.MULTILINE) for step in STEPS]
    assert all(places)


def test_the_demo_from_nothing_leaves_nothing_behind_and_works_twice(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "demo")
    first = shell.casekeeper("demo", NO_COLOR="1")
    assert_nothing_runs(shell.home / "demo")
    assert_reads_well(first)
    for words in (
        "case_8842  a customer writes",
        "answered: refunded 49.99 USD once",
        "case_1200  a customer writes",
        "approval request  1200.00 USD: pending",
        "approved          by lead",
        "answered: refunded 1200.00 USD once",
        "The servers stop now",
    ):
        assert words in first.out
    assert "Temporal is ready" in first.err

    second = shell.casekeeper("demo", "--json")
    assert [view["case_id"] for view in second.json()["cases"]] == ["case_8842", "case_1200"]
    assert_the_main_job(second.json()["cases"], None)
    assert_nothing_runs(shell.home / "demo")


def test_a_demo_that_keeps_running_is_found_until_ctrl_c(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "keep")
    with shell.running("demo", "--keep-running") as demo:
        demo.until_it_says("The servers stay up until Ctrl-C")
        assert "http://127.0.0.1:" in demo.out  # was flushed
        views = [shell.look("show", case) for case in ("case_8842", "case_1200")]
        assert_the_main_job(views, shell.look("sandbox", "show"))
        assert shell.look("audit", "case_1200", "--verify")["ok"] is True
        again = shell.answer("demo")["cases"]
        assert [view["case_id"] for view in again] == ["case_8842_2", "case_1200_2"]
        assert demo.end(signal.SIGINT) == 0
    assert "Traceback" not in demo.err
    assert_nothing_runs(shell.home / "demo")
    shell.casekeeper("approvals", code=5)


def test_a_demo_beside_a_running_stack_uses_it(up: Shell) -> None:
    views = up.answer("demo")["cases"]
    assert_the_main_job(views, up.look("sandbox", "show"))
    assert not (up.home / "demo").exists()
    assert up.look("show", "case_8842")["status"] == "answered"


def test_a_demo_interrupted_at_its_start_leaves_nothing_behind(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "interrupted")
    with shell.running("demo") as demo:
        demo.until_it_says("Valkey is ready")
        assert demo.end(signal.SIGINT) == 130
    assert "Traceback" not in demo.err
    assert_nothing_runs(shell.home / "demo")
