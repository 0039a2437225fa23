"""What commands print: the promised keys for programs, 80 columns for people."""

import itertools
import re
from typing import Any

import pytest
from rich.cells import cell_len

from starters.doctor import without_password
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine, Done

SECTIONS = {"billing", "account", "policy", "approval", "refund", "resolution"}
SHOW = {
    "case_id", "branch", "status", "version", "current_owner", "completed_steps", "sections",
    "answer", "checkpoint_id", "workflow_id", "run_id", "web_url",
}  # fmt: skip
CHECKPOINT = {"checkpoint_id", "parent_checkpoint_id", "branch", "step", "version", "created_at"}
USD_1200 = {"amount_minor": 120_000, "currency": "USD"}
LONG = "You billed me twice for the team plan. " * 12


@pytest.fixture
async def answered(
    world: SmallWorld,
    run_worker: WorkerFactory,
    case_id: str,
    casekeeper: CommandLine,
) -> str:
    """A case above the limit that was approved, paid and answered."""
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(LONG, case_id)
        while not await handle.query("pending_approvals"):
            pass
        await casekeeper("approve", case_id, "--note", "fine " * 30)
        await handle.result()
    return case_id


def assert_readable(done: Done) -> None:
    """Fits 80 columns (a link stays in one piece), and holds no colour codes when piped."""
    assert done.code == 0
    assert "\x1b" not in done.out
    for line in done.out.splitlines():
        assert cell_len(line) <= 80 or line.startswith("http://127.0.0.1:"), line


async def test_show_answers_the_promised_keys(
    casekeeper: CommandLine, answered: str, session: Session
) -> None:
    view = (await casekeeper("show", answered, "--json")).json()
    assert view.keys() >= SHOW
    assert view["sections"].keys() >= SECTIONS
    assert view["status"] == "answered"
    assert view["workflow_id"] == answered
    assert view["web_url"].startswith(f"{session.servers.web_url}/namespaces/default/workflows/")
    sections = view["sections"]
    assert sections["account"] is None
    assert sections["billing"]["refundable"] == USD_1200
    [[first, second]] = sections["billing"]["duplicates"]
    assert sections["policy"]["decision"] == "needs_human"
    assert sections["policy"]["rule"] == "above_limit"
    assert sections["policy"]["reason"]
    assert sections["refund"]["amount"] == USD_1200
    assert sections["refund"]["state"] == "succeeded"
    assert sections["refund"]["charge_id"] == second != first
    assert sections["refund"]["receipt"].startswith("re_")
    assert "1200.00 USD" in view["answer"]


async def test_history_lists_checkpoints_and_show_loads_each(
    casekeeper: CommandLine, answered: str
) -> None:
    checkpoints = (await casekeeper("history", answered, "--json")).json()["checkpoints"]
    assert checkpoints[0].keys() >= CHECKPOINT
    assert checkpoints[0]["parent_checkpoint_id"] is None
    for older, newer in itertools.pairwise(checkpoints):
        assert newer["parent_checkpoint_id"] == older["checkpoint_id"]
        assert newer["version"] == older["version"] + 1
    for place, checkpoint in enumerate(checkpoints, 1):
        at = checkpoint["checkpoint_id"]
        view = (await casekeeper("show", answered, "--at", at, "--json")).json()
        assert view["checkpoint_id"] == at
        assert len(view["completed_steps"]) == place
        assert (view["answer"] is None) == (place < len(checkpoints))


async def test_sandbox_show_tells_what_the_outside_has(
    casekeeper: CommandLine, answered: str, world: SmallWorld
) -> None:
    outside = (await casekeeper("sandbox", "show", "--json")).json()
    assert outside.keys() == {"charges", "refunds", "mails", "answers", "notices"}
    charges = {c["id"] for c in outside["charges"] if c["customer_id"] == world.customer_id}
    [refund] = [r for r in outside["refunds"] if r["charge_id"] in charges]
    assert (refund["amount_minor"], refund["currency"]) == (120_000, "USD")
    assert [a["kind"] for a in outside["answers"] if a["case_id"] == answered] == ["answer"]


async def test_audit_verifies_the_chain(casekeeper: CommandLine, answered: str) -> None:
    trail = (await casekeeper("audit", answered, "--verify", "--json")).json()
    assert trail["ok"] is True
    assert trail["findings"] == []
    assert [row["seq"] for row in trail["rows"]] == list(range(len(trail["rows"]), 0, -1))


async def test_doctor_answers_the_promised_keys(casekeeper: CommandLine, session: Session) -> None:
    found = (await casekeeper("doctor", "--json")).json()
    servers = session.servers
    assert found["ok"] is True
    assert found["temporal_address"] == servers.temporal_address
    assert found["database_url"] == servers.database_url
    assert found["redis_url"] == servers.redis_url
    assert found["web_url"] == servers.web_url


@pytest.mark.parametrize(
    "line",
    [
        ("show", "CASE"),
        ("show", "CASE", "--at", "main.5"),
        ("history", "CASE"),
        ("audit", "CASE", "--verify"),
        ("approvals",),
        ("doctor",),
        ("migrate",),
        ("sandbox", "show"),
    ],
    ids=" ".join,
)
async def test_people_can_read_it_in_80_columns(
    line: tuple[str, ...], casekeeper: CommandLine, answered: str, session: Session
) -> None:
    done = await casekeeper(*(answered if part == "CASE" else part for part in line))
    assert_readable(done)
    assert line[0] == "audit" or "…" not in done.out  # nothing is cut off; audit shortens digests
    assert re.findall(r"postgresql://\w+:\w+@", done.out) == []
    assert str(session.servers.database_url.split("@")[0].split(":")[-1]) not in done.out


async def test_show_reads_as_the_case_went(casekeeper: CommandLine, answered: str) -> None:
    shown = (await casekeeper("show", answered)).out
    words = ("understanding", "billing", "policy", "approval", "refund", "resolution")
    places = [shown.index(f"\n  {word} ") for word in words]
    assert places == sorted(places)
    assert shown.index("“You billed me") < places[0] < places[-1] < shown.index(" answer ")
    assert shown.startswith(f"{answered}  answered\n")
    at = (await casekeeper("show", answered, "--at", "main.5")).out
    assert "As of checkpoint main.5, after 5 steps." in at
    assert "Waits for a person" not in at


async def test_a_case_that_waits_says_for_whom(
    casekeeper: CommandLine, world: SmallWorld, run_worker: WorkerFactory, case_id: str
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start("You billed me twice.", case_id)
        while not await handle.query("pending_approvals"):
            pass
    shown = await casekeeper("show", case_id)
    assert_readable(shown)
    assert f"Waits for a person: `casekeeper approve {case_id}`" in " ".join(shown.out.split())
    inbox = await casekeeper("approvals")
    assert_readable(inbox)
    # The inbox is everybody's: long ids of other cases may wrap this one's.
    assert {"1200.00", "above", "limit"} <= set(inbox.out.split())
    waiting = (await casekeeper("approvals", "--json")).json()["approvals"]
    assert [one["rule"] for one in waiting if one["case_id"] == case_id] == ["above_limit"]
    await handle.terminate()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://keeper:hunter2@db:5432/cases", "postgresql://keeper@db:5432/cases"),
        ("postgresql://keeper:hunter2@db/cases", "postgresql://keeper@db/cases"),
        ("postgresql://keeper:hun@ter2@db/cases", "postgresql://keeper@db/cases"),
        (
            "postgresql://db/x?user=u&password=hunter2&a=b",
            "postgresql://db/x?user=u&password=…&a=b",
        ),
        ("redis://:hunter2@cache:6379/0", "redis://cache:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("127.0.0.1:7233", "127.0.0.1:7233"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


async def test_text_goes_out_unchanged_in_json(
    casekeeper: CommandLine, world: SmallWorld, case_id: str
) -> None:
    words = "تم خصم المبلغ مرتين \u202e [bold]x[/bold] 👋 \u200b"
    await world.start(words, case_id)
    done = await casekeeper("show", case_id, "--json")
    assert done.out.isascii()
    [message] = done.json()["messages"]
    assert message["text"] == words.strip()
    shown: Any = await casekeeper("show", case_id)
    assert "[bold]x[/bold]" in shown.out
