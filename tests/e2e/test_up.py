"""`casekeeper up` in one process, every other command in another, no variable set."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.shell import Shell, eventually, world_of
from tests.runtime.test_embedded import is_deserted

TEXT = "I was charged twice."


def load(shell: Shell, *customers: str, amount_minor: int = 4999) -> None:
    (shell.folder / "world.json").write_text(
        json.dumps(world_of(*customers, amount_minor=amount_minor))
    )
    done = shell.casekeeper("sandbox", "load", "world.json")
    many = len(customers)
    assert done.out == f"{many} customers and {2 * many} charges are in the sandbox.\n"


def test_a_case_is_opened_followed_and_looked_at(up: Shell) -> None:
    load(up, "one")
    line = ("start", "--customer", "cus_one", "--case-id", "one", f"{TEXT} I can't log in either.")
    shown = up.casekeeper(*line, "--wait")
    assert shown.out.startswith("one  answered\n")
    assert shown.err == ""
    view = up.answer("show", "one")
    assert view["status"] == "answered"
    assert up.answer("show", "one", "--at", "main.1")["status"] == "received"
    assert len(up.answer("history", "one")["checkpoints"]) == view["version"]
    assert up.answer("audit", "one", "--verify")["ok"] is True
    outside = up.answer("sandbox", "show")
    [refund] = outside["refunds"]
    assert refund["charge_id"] == "ch_one_2"
    assert [mail["customer_id"] for mail in outside["mails"]] == ["cus_one"]
    assert up.answer("doctor")["ok"] is True
    assert up.answer("migrate")["migrations"] == []


def test_a_file_is_opened_and_followed_with_a_word_about_each_end(up: Shell) -> None:
    lines = [{"case_id": f"f{n}", "customer_id": f"cus_f{n}", "text": TEXT} for n in range(5)]
    load(up, "f0", "f1", "f2")
    (up.folder / "cases.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = up.casekeeper("start", "--file", "cases.jsonl", "--wait")
    ends = "3 answered, 2 manual review"
    assert done.out == f"5 cases were opened.\nAll have ended: {ends}.\n"


def test_people_add_decide_and_cancel_from_other_processes(up: Shell) -> None:
    load(up, "big", "no", "off", amount_minor=120_000)
    for name in ("big", "no", "off"):
        up.casekeeper("start", "--customer", f"cus_{name}", "--case-id", name, TEXT)
    for name in ("big", "no", "off"):
        up.until(name, "awaiting_approval")
    inbox = [request["case_id"] for request in up.answer("approvals")["approvals"]]
    assert inbox == ["big", "no", "off"]

    assert up.casekeeper("say", "big", "And I can't log in.").out == "Case big has the message.\n"
    eventually(lambda: up.look("show", "big")["sections"]["account"] is not None)
    up.until("big", "awaiting_approval")
    approved = up.casekeeper("approve", "big", "--note", "two equal charges")
    assert approved.out == "Refund of 1200.00 USD in big: approved by lead.\n"
    up.casekeeper("deny", "no")
    up.casekeeper("cancel", "off", "--reason", "the customer called")
    for name, status in (("big", "answered"), ("no", "rejected"), ("off", "cancelled")):
        up.until(name, status)
        assert up.look("audit", name, "--verify")["ok"] is True
    outside = up.look("sandbox", "show")
    assert [r["amount_minor"] for r in outside["refunds"]].count(120_000) == 1
    assert [m["case_id"] for m in outside["mails"]].count("big") == 1
    token = up.home / "approvers" / "lead.token"
    assert token.stat().st_mode & 0o777 == 0o600


def test_the_plain_temporal_program_starts_signals_and_queries(up: Shell) -> None:
    load(up, "plain", amount_minor=120_000)
    given = json.dumps({"customer_id": "cus_plain", "text": TEXT})
    up.temporal("workflow", "start", "--type", "SupportCase", "--task-queue", "support-cases",
                "--workflow-id", "plain", "--input", given)  # fmt: skip
    up.until("plain", "awaiting_approval")
    up.temporal("workflow", "signal", "--workflow-id", "plain", "--name", "customer_said",
                "--input", json.dumps({"text": "And I can't log in."}))  # fmt: skip
    eventually(lambda: len(up.answer("show", "plain")["messages"]) == 2)
    up.until("plain", "awaiting_approval")
    with up.running("codec", "serve", "--address", "127.0.0.1:0", "--json") as codec:
        eventually(lambda: codec.out.endswith("}\n"))
        token = (up.home / "codec" / "first.token").read_text().strip()
        queried = up.temporal("workflow", "query", "--workflow-id", "plain", "--type", "case_state",
                              "--output", "json", "--codec-auth", f"Bearer {token}",
                              "--codec-endpoint", json.loads(codec.out)["endpoint"])  # fmt: skip
    [state] = queried.json()["queryResult"]
    assert state["case_id"] == "plain"
    assert state["sections"]["account"]
    assert "messages" not in state
    up.temporal("workflow", "signal", "--workflow-id", "plain", "--name", "cancel_case",
                "--input", '"enough"')  # fmt: skip
    up.until("plain", "cancelled")


def test_a_second_up_says_that_one_runs(up: Shell) -> None:
    done = up.casekeeper("up", code=4)
    assert f"casekeeper: An embedded stack already runs in {up.home}" in done.err


@pytest.mark.parametrize("worker", [False, True])
def test_up_ends_on_any_signal_leaves_nothing_behind_and_finds_its_data(
    tmp_path: Path, worker: bool
) -> None:
    shell = Shell(tmp_path / "shell")
    options = [] if worker else ["--no-worker"]
    ended = (signal.SIGINT, signal.SIGTERM) if worker else (signal.SIGKILL,)
    for place, number in enumerate(ended):
        with shell.up(*options) as program:
            assert re_password_free(shell, program.out + program.err)
            shell.look("start", "--customer", "cus_x", "--case-id", f"c{place}", "Hello?")
            code = program.end(number)
        assert code == (-number if number is signal.SIGKILL else 0)
        assert "Traceback" not in program.err
        eventually(lambda: is_deserted(shell.home), 15)
    gone = shell.casekeeper("show", "c0", code=5)
    assert "no stack is running in .casekeeper" in gone.err
    with shell.up() as program:
        shell.until("c0", "manual_review")
        assert os.getpgid(program.popen.pid) == program.popen.pid
    eventually(lambda: is_deserted(shell.home), 15)


def re_password_free(shell: Shell, said: str) -> bool:
    """Whether the database's password was kept to itself."""
    return (shell.home / "postgres.password").read_text().strip() not in said
