"""`casekeeper replay` tells beforehand which open cases a build would not go on with."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from cases.approvals import Verdict
from runtime.keys import ensure_keys
from runtime.servers import Servers
from runtime.temporal import connect
from starters.replay import run_replay
from starters.session import Session
from tests.conftest import SmallWorld, WorkerFactory
from tests.starters.conftest import CommandLine
from tests.temporal_alone import temporal_alone
from tests.workflows.reordered import ReorderedWorkflow
from tests.workflows.support import BILLING, NEITHER, decided, eventually, finish, parked


@pytest.fixture
async def alone(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Servers]:
    """A namespace with what the test has put into it, encrypted; commands find it."""
    keys = ensure_keys(tmp_path / "keys.json")
    async with temporal_alone(servers.model_copy(update={"payload_keys": keys})) as own:
        monkeypatch.setenv("TEMPORAL_ADDRESS", own.temporal_address)
        monkeypatch.setenv("CASEKEEPER_PAYLOAD_KEYS", str(keys))
        yield own


@pytest.fixture
async def there(alone: Servers) -> Client:
    return await connect(alone)


@pytest.fixture
def place(session: Session, alone: Servers, there: Client, number: str) -> SmallWorld:
    """A customer whose cases run there."""
    return SmallWorld(Session(session.settings, alone, session.stores, there), number)


async def listed(client: Client, count: int, query: str = "") -> None:
    """Wait until the list, which lags behind, has them."""

    async def all_there() -> bool:
        return (await client.count_workflows(query)).count == count

    await eventually(all_there)


async def test_an_open_case_a_closed_one_and_one_that_nobody_took_replay(
    place: SmallWorld, there: Client, run_worker: WorkerFactory, casekeeper: CommandLine
) -> None:
    await place.twins(120_000)
    async with run_worker(client=there):
        await parked(await place.start(BILLING))
        await finish(await place.start(NEITHER, f"{place.number}_closed"))
    await place.start(NEITHER, f"{place.number}_waits")
    await listed(there, 2, "ExecutionStatus = 'Running'")
    await listed(there, 3)

    done = await casekeeper("replay", "--json")
    assert done.code == 0
    report = done.json()
    assert (report["replayed"], report["gone"], report["failures"]) == (3, 0, [])
    assert (await casekeeper("replay", "--since", "0s", "--json")).json()["replayed"] == 2
    assert (await casekeeper("replay", "--limit", "1", "--json")).json()["replayed"] == 1
    assert (await casekeeper("replay")).out == "All 3 replay with this build.\n"


async def test_a_case_that_this_build_would_not_go_on_with_is_named(
    place: SmallWorld, there: Client, run_worker: WorkerFactory, casekeeper: CommandLine
) -> None:
    await place.customer()
    async with run_worker(client=there, workflows=[ReorderedWorkflow]):
        other = await place.start(NEITHER)
        await finish(other)
    async with run_worker(client=there):
        await finish(await place.start(NEITHER, f"{place.number}_ours"))
    await listed(there, 2)

    done = await casekeeper("replay", "--since", "1h", "--json")
    assert done.code == 1
    report = done.json()
    assert (report["replayed"], report["exit_code"]) == (2, 1)
    [failure] = report["failures"]
    assert failure["workflow_id"] == other.id
    assert failure["error"] == "NondeterminismError"
    assert failure["message"].startswith("[TMPRL1100] Nondeterminism error: ")

    text = await casekeeper("replay", "--since", "1h")
    assert text.code == 1
    assert other.id in text.out
    assert "1 of 2 do not replay with this build" in text.out
    assert text.err == ""


async def test_a_case_that_is_decided_meanwhile_is_replayed_as_far_as_it_was_read(
    place: SmallWorld, there: Client, run_worker: WorkerFactory
) -> None:
    await place.twins(120_000)
    async with run_worker(client=there):
        handle = await place.start(BILLING)
        await parked(handle)
        await listed(there, 1)
        await decided(place, Verdict.APPROVED)
        report = await run_replay(there, datetime.now(UTC) - timedelta(hours=1))
        await finish(handle)

    assert (report.replayed, report.failures) == (1, [])


async def test_progress_is_told_after_each(
    place: SmallWorld, there: Client, run_worker: WorkerFactory
) -> None:
    await place.customer()
    async with run_worker(client=there):
        for name in ("a", "b"):
            await finish(await place.start(NEITHER, f"{place.number}_{name}"))
    await listed(there, 2)
    told: list[int] = []

    await run_replay(there, datetime.now(UTC) - timedelta(hours=1), done=told.append)

    assert told == [2, 2]


async def test_a_time_that_cannot_be_read_is_bad_usage(casekeeper: CommandLine) -> None:
    done = await casekeeper("replay", "--since", "a week")

    assert done.code == 2
    assert "--since: 'a week' is no duration such as" in done.err
