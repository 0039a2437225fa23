"""The embedded servers start, serve, keep their data and their ports, and fail with a sentence."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from runtime.embedded.home import Home
from runtime.embedded.stack import (
    Addresses,
    EmbeddedStack,
    ServerName,
    StackAlreadyRunning,
    StackFailed,
    find_running,
)

SEARCH_ATTRIBUTES = {"CaseStatus": "Keyword", "NeedsHuman": "Bool"}
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def start(home: Path) -> EmbeddedStack:
    return EmbeddedStack.start(home, search_attributes=SEARCH_ATTRIBUTES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    with start(tmp_path_factory.mktemp("embedded") / "home") as running:
        yield running


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def holders(home: Path) -> set[int]:
    """Return who holds the lock of ``home``: the guard, the servers and their children."""
    found: set[int] = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == home / "lock":
                found.add(int(descriptor.parts[2]))
        except OSError:
            continue
    return found


def is_deserted(home: Path) -> bool:
    """Tell whether the last process is gone: one that dies loses sight of its files before them."""
    return not holders(home) and not Home(home).is_locked()


def guard_pid(home: Path) -> int:
    return int(json.loads((home / "stack.json").read_text())["pid"])


def redis_client(addresses: Addresses) -> Redis:
    return Redis(host="127.0.0.1", port=port_of(addresses.redis_url), decode_responses=True)


def port_of(address: str) -> int:
    port = urlsplit(address if "://" in address else f"tcp://{address}").port
    assert port
    return port


async def query(addresses: Addresses, statement: str) -> object:
    connection = await asyncpg.connect(addresses.owner_database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def assert_all_serve(addresses: Addresses) -> None:
    assert await query(addresses, "SELECT current_database()") == "casekeeper"
    async with redis_client(addresses) as redis:
        assert await redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]
    client = await Client.connect(addresses.temporal_address)
    assert await client.service_client.check_health()


async def test_all_three_servers_serve(stack: EmbeddedStack) -> None:
    await assert_all_serve(stack.addresses)
    assert stack.failed() is None


def test_the_web_ui_serves_its_page(stack: EmbeddedStack) -> None:
    connection = HTTPConnection("127.0.0.1", port_of(stack.addresses.web_url), timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()


async def test_servers_outlive_the_thread_that_started_them(tmp_path: Path) -> None:
    started: list[EmbeddedStack] = []
    thread = threading.Thread(target=lambda: started.append(start(tmp_path)))
    thread.start()
    thread.join()
    with started[0] as stack:
        await assert_all_serve(stack.addresses)
        assert stack.failed() is None


async def test_data_and_ports_survive_a_restart(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        await query(first.addresses, "CREATE TABLE survives AS SELECT 42 AS answer")
        async with redis_client(first.addresses) as redis:
            await redis.set("survives", "yes")
        client = await Client.connect(first.addresses.temporal_address)
        await client.start_workflow("Waits", id="survives", task_queue="nobody-polls")
    with start(tmp_path) as second:
        assert second.addresses == first.addresses
        assert await query(second.addresses, "SELECT answer FROM survives") == 42
        async with redis_client(second.addresses) as redis:
            assert await redis.get("survives") == "yes"
        client = await Client.connect(second.addresses.temporal_address)
        description = await client.get_workflow_handle("survives").describe()
        assert description.status is WorkflowExecutionStatus.RUNNING


async def test_a_search_attribute_of_a_later_version_is_registered(tmp_path: Path) -> None:
    start(tmp_path).stop()
    later = {**SEARCH_ATTRIBUTES, "CaseBranch": "Keyword"}
    branch = SearchAttributeKey.for_keyword("CaseBranch")
    pairs = TypedSearchAttributes([SearchAttributePair(branch, "main")])
    with EmbeddedStack.start(tmp_path, search_attributes=later) as stack:
        client = await Client.connect(stack.addresses.temporal_address)
        handle = await client.start_workflow(
            "Waits", id="later", task_queue="nobody-polls", search_attributes=pairs
        )
        assert (await handle.describe()).typed_search_attributes[branch] == "main"


def test_only_a_port_that_is_taken_changes(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        pass
    with (
        socket.create_server(("127.0.0.1", port_of(first.addresses.redis_url))),
        start(tmp_path) as b,
    ):
        changed = b.addresses.model_dump().items() ^ first.addresses.model_dump().items()
        assert {name for name, _ in changed} == {"redis_url"}


async def test_an_in_memory_temporal_keeps_no_file(tmp_path: Path) -> None:
    extra = ("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true")
    with EmbeddedStack.start(
        tmp_path, search_attributes={}, temporal_args=extra, temporal_in_memory=True
    ) as stack:
        await assert_all_serve(stack.addresses)
        assert list((tmp_path / "temporal").iterdir()) == []


def test_a_second_start_is_refused_with_a_sentence(stack: EmbeddedStack) -> None:
    home = stack.home
    with pytest.raises(StackAlreadyRunning) as refusal:
        start(home)
    assert f"already runs in {home} (its Web UI: {stack.addresses.web_url})" in str(refusal.value)
    assert stack.failed() is None


def test_a_running_stack_is_found_by_its_home(stack: EmbeddedStack) -> None:
    assert find_running(stack.home) == stack.addresses


def test_a_note_without_a_running_stack_is_ignored(stack: EmbeddedStack, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(stack.addresses.model_dump_json())
    assert find_running(tmp_path) is None
    (tmp_path / "lock").touch()
    assert find_running(tmp_path) is None


def test_secrets_and_data_are_readable_by_their_owner_only(stack: EmbeddedStack) -> None:
    home = stack.home
    for directory in ("", "temporal", "valkey", "postgres", "logs"):
        assert (home / directory).stat().st_mode & 0o777 == 0o700
    for file in ("stack.json", "postgres.password", "temporal/temporal.db", "lock"):
        assert (home / file).stat().st_mode & 0o777 == 0o600


async def test_a_wrong_password_is_refused(stack: EmbeddedStack) -> None:
    port = port_of(stack.addresses.database_url)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@127.0.0.1:{port}/casekeeper")


async def test_the_database_is_durable_and_speaks_utf_8(stack: EmbeddedStack) -> None:
    for setting, value in {
        "fsync": "on",
        "synchronous_commit": "on",
        "server_encoding": "UTF8",
    }.items():
        assert await query(stack.addresses, f"SHOW {setting}") == value


@linux
def test_nothing_listens_on_other_than_loopback(stack: EmbeddedStack) -> None:
    inodes = {
        descriptor.readlink().name.removeprefix("socket:").strip("[]")
        for pid in holders(stack.home)
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
    }
    listening: list[str] = []
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path("/proc/net", protocol).read_text().splitlines()[1:]:
            columns = row.split()
            if columns[9] in inodes and columns[3] in {"0A", "07"}:
                listening.append(columns[1].partition(":")[0])
    assert len(listening) >= 6
    assert set(listening) == {"0100007F"}


@pytest.mark.parametrize("server", ["temporal", "postgres", "valkey"])
async def test_a_dead_server_is_reported_and_restarts_on_its_port(
    stack: EmbeddedStack, server: ServerName
) -> None:
    before, pid = stack.addresses, stack.server_pids[server]
    busy = await asyncpg.connect(before.owner_database_url)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: stack.failed() is not None)
    assert f"The embedded {server} failed: it was ended by SIGKILL" in str(stack.failed())
    await asyncio.to_thread(stack.restart, server)
    busy.terminate()
    assert stack.failed() is None
    assert stack.addresses == before
    assert stack.server_pids[server] != pid
    await assert_all_serve(stack.addresses)


async def test_a_server_that_runs_restarts_too(stack: EmbeddedStack) -> None:
    pid = stack.server_pids["valkey"]
    async with redis_client(stack.addresses) as redis:
        await redis.set("kept", "yes")
    stack.restart("valkey")
    assert stack.server_pids["valkey"] != pid
    async with redis_client(stack.addresses) as redis:
        assert await redis.get("kept") == "yes"


@linux
def test_a_server_that_does_not_start_is_named_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(StackFailed) as failure:
        EmbeddedStack.start(tmp_path, search_attributes={}, temporal_args=("--no-such-flag",))
    assert failure.value.server == "temporal"
    assert str(failure.value.log) in str(failure.value)
    assert "unknown flag: --no-such-flag" in str(failure.value)
    assert holders(tmp_path) == set()


def test_progress_is_reported(tmp_path: Path) -> None:
    heard: list[str] = []
    EmbeddedStack.start(tmp_path, search_attributes={}, report=heard.append).stop()
    assert "Creating the database" in heard[0]
    assert {"Postgres is ready", "Temporal is ready", "Valkey is ready"} <= set(heard)


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    stack = start(tmp_path)
    stack.stop()
    stack.stop()
    assert stack.failed() is None
    assert find_running(tmp_path) is None
    assert not (tmp_path / "stack.json").exists()


@linux
def test_a_recycled_pid_does_not_keep_the_database_down(tmp_path: Path) -> None:
    stack = start(tmp_path)
    os.kill(guard_pid(tmp_path), signal.SIGKILL)
    assert eventually(lambda: is_deserted(tmp_path))
    stack.stop()
    owner = (tmp_path / "postgres").stat().st_uid
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    with subprocess.Popen("cat", stdin=subprocess.PIPE, user=owner) as stranger:
        _, *rest = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join((f"{stranger.pid}\n", *rest)))
        start(tmp_path).stop()
