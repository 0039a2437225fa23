"""`casekeeper invariants` in the operator's hands: it says what holds, and changes nothing."""

import pytest

from cases.invariants import Invariant, InvariantReport
from runtime.servers import Servers
from runtime.temporal import connect
from starters.invariants import with_histories
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.faults.checked import assert_invariants
from tests.invariants.broken import Copy
from tests.invariants.lives import LIVES
from tests.starters import conftest as starters
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused
from tests.stores.support import opened
from tests.temporal_alone import temporal_alone
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.support import NEITHER, eventually, finish
from workers.composition import open_stores

#: The commands of `casekeeper`, on the servers that the environment names.
casekeeper = starters.casekeeper

_READ_ONLY = "?default_transaction_read_only=on"


@pytest.fixture
async def record(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """The copy, which commands find, and cannot write to."""
    await copy.forget_hot_copies()
    monkeypatch.setenv("DATABASE_URL", copy.servers.database_url + _READ_ONLY)
    sandbox = copy.servers.sandbox_database_url + _READ_ONLY
    monkeypatch.setenv("SANDBOX_DATABASE_URL", sandbox)
    monkeypatch.setenv("CASEKEEPER_AUDIT_HEADS", str(copy.settings.home / "heads.jsonl"))
    monkeypatch.setenv("CASEKEEPER_AUDIT_KEY", str(copy.settings.home / "key.pem"))
    monkeypatch.setenv("CASEKEEPER_CUSTOMER_KEYS", str(copy.servers.customer_keys))
    return copy


@pytest.mark.usefixtures("record")
async def test_it_only_reads_and_says_of_each_invariant_that_it_holds(
    casekeeper: CommandLine,
) -> None:
    done = await casekeeper("invariants", "--settled", "--json")
    assert done.code == 0, done
    report = done.json()
    assert report.keys() == {"lines", "invariants", "case_ids", "findings"}
    assert [one["id"] for one in report["invariants"]] == [f"I{n}" for n in range(1, 13)]
    assert [one["checked"] for one in report["invariants"]] == [True] * 11 + [False]
    assert (report["findings"], report["case_ids"]) == ([], [])

    shown = await casekeeper("invariants")
    assert shown.code == 0
    assert shown.out.count(" yes") == 11
    assert shown.out.count("not looked at") == 1
    assert f"Cases and branches looked at: {len(LIVES) + 2}." in shown.out


async def test_what_is_broken_is_named_with_its_case_and_the_exit_code_is_1(
    casekeeper: CommandLine, record: Copy
) -> None:
    await record.do("UPDATE cases SET opened_by = 'lead' WHERE case_id = 'case_approved'")

    done = await casekeeper("invariants", "--json")
    assert done.code == 1
    report = done.json()
    assert report["case_ids"] == ["case_approved"]
    assert report["exit_code"] == 1
    assert [one["broken"] for one in report["invariants"]] == [0] * 10 + [1, 0]
    [finding] = report["findings"]
    assert finding.keys() == {"invariant", "case_id", "branch", "problem"}
    shown = await casekeeper("invariants")
    assert shown.code == 1
    assert "I11 case_approved: apr_" in shown.out
    assert "Cases: case_approved\n" in shown.out


async def test_only_the_named_cases_or_those_that_went_on_lately_are_looked_at(
    casekeeper: CommandLine, record: Copy
) -> None:
    await record.do("UPDATE cases SET opened_by = 'lead' WHERE case_id = 'case_approved'")
    await record.do(
        "UPDATE cases SET updated_at = updated_at - interval '2 days' "
        "WHERE case_id IN ('case_approved', 'case_denied')"
    )

    async def looked_at(*options: str) -> tuple[int, int]:
        done = await casekeeper("invariants", "--json", *options)
        return done.code, done.json()["lines"]

    assert await looked_at("--case", "case_denied", "--case", "case_refunded") == (0, 3)
    assert await looked_at("--case", "case_approved") == (1, 1)
    assert await looked_at("--since", "1d") == (0, len(LIVES))
    assert await looked_at("--since", "3d") == (1, len(LIVES) + 2)
    await opened(record.stores, "case_open")
    assert await looked_at("--case", "case_open") == (0, 1)
    assert await looked_at("--case", "case_open", "--settled") == (1, 1)


@pytest.mark.usefixtures("record")
async def test_a_case_that_is_not_there_and_a_wrong_duration_are_refused(
    casekeeper: CommandLine,
) -> None:
    assert_refused(await casekeeper("invariants", "--case", "case_none"), 3, "case_none")
    assert_refused(await casekeeper("invariants", "--case", "a b"), 2, "--case")
    assert_refused(await casekeeper("invariants", "--since", "lately"), 2, "--since")


async def test_without_redis_all_but_the_hot_copies_are_looked_at(copy: Copy) -> None:
    away = copy.servers.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    async with open_stores(away) as stores:
        report = await assert_invariants(stores, copy.settings)

    assert report.lines == len(LIVES) + 2


async def test_a_fault_test_fails_with_the_sentence_of_what_is_broken(copy: Copy) -> None:
    await opened(copy.stores, "case_open")

    with pytest.raises(AssertionError, match="I3 case_open: it is still open, at received"):
        await assert_invariants(copy.stores, copy.settings, ["case_open"])
    await assert_invariants(copy.stores, copy.settings, ["case_open"], settled=False)
    await assert_invariants(copy.stores, copy.settings, ["case_denied"])


async def test_a_history_that_does_not_replay_is_named_with_its_case(
    servers: Servers, session: Session, number: str, run_worker: WorkerFactory
) -> None:
    async with temporal_alone(servers) as alone:
        there = await connect(alone)
        own = Session(session.settings, alone, session.stores, there)
        world = SmallWorld(own, number)
        await world.customer()
        async with run_worker(client=there, workflows=[ReorderedWorkflow]):
            await finish(await world.start(NEITHER))

        async def is_listed() -> bool:
            return (await there.count_workflows("")).count == 1

        await eventually(is_listed)
        report = await with_histories(there, InvariantReport(lines=1, skipped=(Invariant.REPLAYS,)))

    [finding] = report.findings
    assert (finding.invariant, finding.case_id) == (Invariant.REPLAYS, f"case_{number}")
    assert "NondeterminismError" in finding.problem
    assert (report.skipped, report.ok) == ((), False)
