"""`casekeeper backtest`: its options, its refusals, and what people read."""

import asyncio
import json
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.past_cases import Find, Story, put_on_record
from cases.approvals import Verdict
from cases.effects import EffectState
from stores.postgres import Pool
from tests.e2e.shell import Shell
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from tests.stores.support import usd
from workers.composition import Stores

POLICY = """
version = 2
limit_days = 30
[limits]
USD = "700.00"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    return file


def pages_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.html"))


@pytest.fixture
async def recorded(stores: Stores, owner: Pool, number: str) -> str:
    """Four cases that the first policy decided; since when, as --since takes it."""
    since: datetime = await owner.fetchval("SELECT clock_timestamp()")
    token = await stores.approvers.add(f"pat-{number}", {"USD": 10**9})
    assert token

    def story(name: str, minor: int, rule: str, **ends: Any) -> Story:
        return Story(
            case_id=f"{name}_{number}",
            customer_id=f"cus_{name}_{number}",
            find=Find.TWINS if rule else Find.UNDECIDED,
            amount=usd(minor),
            anchor=f"ch_{name}_{number}",
            rule=rule,
            **ends,
        )

    told = [
        story("paid", 4_999, "proven_duplicate", refund=EffectState.SUCCEEDED),
        story("denied", 60_000, "above_limit", verdict=Verdict.DENIED),
        story(
            "approved", 120_000, "above_limit",
            verdict=Verdict.APPROVED, refund=EffectState.SUCCEEDED,
        ),
        story("undecided", 1, ""),
    ]  # fmt: skip
    await put_on_record(told, stores, token)
    return since.isoformat()


async def test_people_read_flips_money_and_what_happened_in_80_columns(
    casekeeper: CommandLine, policy: Path, recorded: str, number: str
) -> None:
    done = await casekeeper("backtest", "--policy", str(policy), "--since", recorded)

    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines()[1:])) <= 80
    words = " ".join(done.out.split())
    assert "3 cases that policy version 1 decided, judged by version 2: 1 would end" in words
    assert "1 asked of a person paid at once" in words
    assert "Paid without a person 49.99 649.99 +600.00" in words
    assert "Asked of a person 1,800.00 1,200.00 -600.00" in words
    assert "above limit 2 1 -1" in words
    assert f"denied_{number}" in words
    assert "denied" in words
    assert "Really paid in USD: 49.99 without a person, 1,200.00 approved." in words
    assert "Requests to approve: 1 approved, 1 denied." in words
    assert "Not judged, no policy step yet: 1 case." in words
    assert f"cus_denied_{number}" not in words


async def test_programs_read_one_document(
    casekeeper: CommandLine, policy: Path, recorded: str, number: str
) -> None:
    line = ("backtest", "--policy", str(policy), "--since", recorded)

    answer = (await casekeeper(*line, "--json")).json()

    (flip,) = answer["flips"]
    assert flip.pop("decided_at") >= recorded
    assert flip == {
        "case_id": f"denied_{number}",
        "amount": {"amount_minor": 60_000, "currency": "USD"},
        "before": "approval",
        "after": "refund",
        "rule_before": "above_limit",
        "rule_after": "proven_duplicate",
        "approval": "denied",
        "paid": [],
    }
    assert answer["paid"] == [
        {
            "currency": "USD",
            "without_person": {"amount_minor": 4_999, "currency": "USD"},
            "approved": {"amount_minor": 120_000, "currency": "USD"},
        }
    ]
    limited = (await casekeeper(*line, "--limit", "1", "--json")).json()
    assert limited["cases"] == 1


async def test_where_nothing_can_be_judged_it_says_so(
    casekeeper: CommandLine, policy: Path
) -> None:
    done = await casekeeper("backtest", "--policy", str(policy), "--since", "9999-01-01")

    assert done.code == 0
    assert done.out == "No case could be judged.\n"


async def test_the_page_is_written_too(
    casekeeper: CommandLine, policy: Path, recorded: str, tmp_path: Path, number: str
) -> None:
    page = tmp_path / "page.html"
    line = ("backtest", "--policy", str(policy), "--since", recorded, "--html", str(page))

    done = await casekeeper(*line)

    assert done.out.endswith(f"The page is {page}.\n")
    assert f"<td>denied_{number}</td>" in page.read_text("utf-8")
    done = await casekeeper(*line, "--json")
    assert json.loads(done.out)["cases"] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits = 3", "limits: needs a table"),
        ("version = 1\nlimit_days = 0\n[limits]\nUSD = '1.00'", "limit_days: "),
        ("version = 1\nlimit_days = 1\n[limits]\nUSD = 1.5", "limits.USD: 1.5 is not a decimal"),
        ("version = 1\nlimit_day = 1\n[limits]\nUSD = '1.00'", "limit_days: "),
        ("version = 1\nlimit_days = 1\n[limits]\nUSD = '2.00'\n[second_limit]\nUSD = '3.00'",
         "second_limit: "),
        ("version =", "policy: is not TOML"),
        ("\udcff", "--policy: "),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
async def test_a_policy_that_cannot_be_used_is_refused_with_the_field(
    text: str, words: str, casekeeper: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))

    assert_refused(await casekeeper("backtest", "--policy", str(file)), 2, words)
    assert_refused_as_json(await casekeeper("backtest", "--policy", str(file), "--json"), 2, words)


async def test_a_file_that_cannot_be_read_is_bad_input(
    casekeeper: CommandLine, tmp_path: Path
) -> None:
    for file in (tmp_path / "none.toml", tmp_path):
        done = await casekeeper("backtest", "--policy", str(file))
        assert_refused(done, 2, f"--policy: {file} cannot be read: ")
    assert_refused(await casekeeper("backtest"), 2, "--policy")


@pytest.mark.parametrize(
    "since", ["yesterday", "", "2026-13-01", "12:00", "0001-01-01T00:00+14:00", "\udc80"], ids=repr
)
async def test_what_is_no_time_is_bad_input(
    since: str, casekeeper: CommandLine, policy: Path
) -> None:
    done = await casekeeper("backtest", "--policy", str(policy), "--since", since)
    assert_refused(done, 2, "--since: ")


@pytest.mark.parametrize("since", ["2026-05-01", "2026-05-01T09:30Z", "0001-01-01", "2026-W01-1"])
async def test_a_time_may_be_written_in_any_iso_8601_form(
    since: str, casekeeper: CommandLine, policy: Path
) -> None:
    done = await casekeeper("backtest", "--policy", str(policy), "--since", since, "--limit", "1")
    assert done.code == 0, done


async def test_a_time_without_a_zone_is_of_utc(
    casekeeper: CommandLine, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    line = ("backtest", "--policy", str(policy), "--json", "--since")

    first = (await casekeeper(*line, "9998-05-01T09:30:00")).json()
    second = (await casekeeper(*line, "9998-05-01T11:30:00+02:00")).json()

    assert first["since"] == second["since"] == "9998-05-01T09:30:00Z"


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "9999999999999"])
async def test_a_limit_is_a_number_from_one_on(
    limit: str, casekeeper: CommandLine, policy: Path
) -> None:
    done = await casekeeper("backtest", "--policy", str(policy), "--limit", limit)
    assert_refused(done, 2, "--limit")


async def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    casekeeper: CommandLine, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    for place in (tmp_path, tmp_path / "none" / "page.html"):
        done = await casekeeper("backtest", "--policy", str(policy), "--html", str(place))
        assert_refused(done, 2, f"--html: {place} cannot be written: ")
    done = await casekeeper("backtest", "--policy", str(policy), "--html", str(policy))
    assert_refused(done, 2, "is the policy file")
    assert (await casekeeper("backtest", "--policy", str(policy), "--limit", "1")).code == 5

    page = tmp_path / "page.html"
    done = await casekeeper("backtest", "--policy", str(policy), "--html", str(page))
    assert_refused(done, 5, "Postgres is not reachable")
    assert pages_in(tmp_path) == []


async def until_blocked(owner: Pool) -> None:
    """Wait until a statement waits for a table's lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    async with asyncio.timeout(30):
        while not await owner.fetchval(waiting):  # noqa: ASYNC110  it is the server's state
            await asyncio.sleep(0.02)


async def test_ctrl_c_leaves_without_a_word(
    owner: Pool, policy: Path, tmp_path: Path, home: Path, recorded: str
) -> None:
    shell = Shell(tmp_path / "shell")
    page = tmp_path / "page.html"
    line = ("backtest", "--policy", str(policy), "--since", recorded, "--html", str(page))
    async with owner.acquire() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE sections IN ACCESS EXCLUSIVE MODE")
        with shell.running(*line, CASEKEEPER_HOME=str(home)) as program:
            await until_blocked(owner)
            code = program.end(signal.SIGINT)

    assert code == 130
    assert (program.out, program.err) == ("", "")
    assert pages_in(tmp_path) == []
