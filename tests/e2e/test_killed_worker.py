"""A worker is killed at the worst moments; the next one brings the case to the same end."""

import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shell import PATIENCE_S, Shell, world_of

TEXT = "I was charged twice, and I can't log in."
SCRIPT = Path(__file__).with_name("dying_worker.py")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shell]:
    """`up --no-worker`, and customers of each test; workers are the tests' own."""
    shell = Shell(tmp_path_factory.mktemp("shell"))
    with shell.up("--no-worker"):
        small = world_of("calm", "before", "after")
        big = world_of("calm_big", "parked", amount_minor=120_000)
        for world in (small, big):
            (shell.folder / "world.json").write_text(json.dumps(world))
            shell.look("sandbox", "load", str(shell.folder / "world.json"))
        yield shell


def begin(shell: Shell, name: str) -> None:
    shell.look("start", "--customer", f"cus_{name}", "--case-id", name, TEXT)


def story(shell: Shell, name: str) -> Counter[tuple[str, ...]]:
    """What the audit says was done by whom, without this case's own ids.

    Counted, not in order: the reset mail and the refund run side by side.
    """
    trail = shell.look("audit", name, "--verify")
    assert trail["ok"] is True
    return Counter(
        (row["event"], row["section"] or "", row["actor"], step_of(row, name))
        for row in trail["rows"]
        if not row["step"].startswith("nt1_")  # a notice is sent unless someone is faster
    )


def step_of(row: dict[str, Any], name: str) -> str:
    step = re.sub(r"^(rf|rs|an)1_\w+|apr_\w+", r"\1", row["step"])
    return step.replace(name, "NAME")


def assert_done_once(shell: Shell, name: str, amount_minor: int) -> None:
    outside = shell.look("sandbox", "show")
    [refund] = [r for r in outside["refunds"] if r["charge_id"].startswith(f"ch_{name}_")]
    assert refund["amount_minor"] == amount_minor
    assert [mail["case_id"] for mail in outside["mails"]].count(name) == 1
    [answer] = [one for one in outside["answers"] if one["case_id"] == name]
    assert f"{amount_minor / 100:.2f} USD" in answer["body"]


@pytest.fixture(scope="module")
def calm(servers: Shell) -> Counter[tuple[str, ...]]:
    """How the trail reads when nothing goes wrong."""
    with servers.running("worker"):
        begin(servers, "calm")
        servers.until("calm", "answered")
    assert_done_once(servers, "calm", 4999)
    return story(servers, "calm")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_at_the_refund_pays_once(
    moment: str, servers: Shell, calm: Counter[tuple[str, ...]]
) -> None:
    begin(servers, moment)
    with servers.running(Path(sys.executable), str(SCRIPT), moment) as dying:
        assert dying.popen.wait(PATIENCE_S) == -signal.SIGKILL
    refunds = [r["charge_id"] for r in servers.look("sandbox", "show")["refunds"]]
    assert (f"ch_{moment}_2" in refunds) == (moment == "after")
    assert servers.look("show", moment)["sections"]["refund"] is None

    with servers.running("worker"):
        servers.until(moment, "answered")
    assert_done_once(servers, moment, 4999)
    assert story(servers, moment) == calm


def test_a_worker_killed_while_a_person_decides_is_not_missed(servers: Shell) -> None:
    with servers.running("worker") as worker:
        for name in ("calm_big", "parked"):
            begin(servers, name)
            servers.until(name, "awaiting_approval")
        servers.look("approve", "calm_big")
        servers.until("calm_big", "answered")
        assert worker.end(signal.SIGKILL) == -signal.SIGKILL

    # 👉 Nobody polls now: the decision is taken all the same, and waits.
    servers.look("approve", "parked")
    assert servers.look("show", "parked")["sections"]["approval"]["state"] == "approved"
    assert servers.look("approvals")["approvals"] == []

    with servers.running("worker") as worker:
        servers.until("parked", "answered")
        assert worker.end(signal.SIGTERM) == 0
        assert "The worker has stopped." in worker.out
    assert_done_once(servers, "parked", 120_000)
    assert story(servers, "parked") == story(servers, "calm_big")
