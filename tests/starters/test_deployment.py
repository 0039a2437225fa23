"""`casekeeper deployment` says which builds there are, and lets one take the new cases."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from temporalio.client import Client

from runtime.servers import Servers
from runtime.settings import Settings
from runtime.temporal import connect
from tests.conftest import WorkerFactory
from tests.starters.conftest import CommandLine
from tests.temporal_alone import temporal_alone
from tests.workers.test_versioning import of_build, until_known


@pytest.fixture
async def there(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Client]:
    """A Temporal without builds, which commands find."""
    async with temporal_alone(servers) as own:
        monkeypatch.setenv("TEMPORAL_ADDRESS", own.temporal_address)
        yield await connect(own)


async def test_the_builds_are_listed_and_one_is_made_the_current_one(
    there: Client,
    settings: Settings,
    run_worker: WorkerFactory,
    casekeeper: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty: dict[str, Any] = {"current": None, "builds": []}
    assert (await casekeeper("deployment", "show", "--json")).json() == empty
    assert "No worker has a build id" in (await casekeeper("deployment", "show")).out
    async with (
        run_worker(client=there, settings=of_build(settings, "1")),
        run_worker(client=there, settings=of_build(settings, "2")),
    ):
        await until_known(there, "1")
        await until_known(there, "2")

        done = await casekeeper("deployment", "current", "1", "--json")
        assert done.json() == {"current": "1", "previous": "2"}
        monkeypatch.setenv("CASEKEEPER_BUILD_ID", "2")
        assert "run until" in (await casekeeper("deployment", "current")).out
        assert "already" in (await casekeeper("deployment", "current")).out
        shown = (await casekeeper("deployment", "show", "--json")).json()
        text = (await casekeeper("deployment", "show")).out

    assert shown["current"] == "2"
    assert {build["build_id"]: build["status"] for build in shown["builds"]}["2"] == "current"
    assert "open cases bound to it" in text


async def test_a_build_without_a_worker_is_a_conflict(
    there: Client, casekeeper: CommandLine
) -> None:
    assert there
    done = await casekeeper("deployment", "current", "9.9")

    assert done.code == 4
    assert "Build 9.9 cannot be the current one before a worker of it polls" in done.err


async def test_some_build_must_be_named(casekeeper: CommandLine) -> None:
    done = await casekeeper("deployment", "current")

    assert done.code == 2
    assert "BUILD: is missing, and CASEKEEPER_BUILD_ID is not set" in done.err


async def test_what_cannot_be_a_build_is_bad_usage(
    casekeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await casekeeper("deployment", "current", "a:b")).code == 2
    monkeypatch.setenv("CASEKEEPER_BUILD_ID", "a b")
    done = await casekeeper("deployment", "current")
    assert done.code == 2
    assert "CASEKEEPER_BUILD_ID: " in done.err
