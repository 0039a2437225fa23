"""How the connection to Temporal is described, and how its API key changes while it is in use."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import TLSConfig

from cases.errors import InvalidInput
from runtime import connection
from runtime.connection import taking_new_keys
from runtime.servers import Servers, ServerUnreachable, find_servers
from runtime.settings import Settings
from runtime.temporal import connect
from tests.conftest import SmallWorld
from tests.runtime.gate import Gate, gate_to
from tests.workflows.support import BILLING
from workers.main import run_worker

PROFILES = """
[profile.default]
address = "localhost:7233"

[profile.cloud]
address = "cases.a1b2c.tmprl.cloud:7233"
namespace = "cases.a1b2c"
api_key = "key of the profile"
"""

Described = Callable[..., dict[str, Any]]


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Described:
    """The arguments of `Client.connect` for these variables of the environment."""

    def describe(key_file: Path | None = None, **variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = Settings(
            database_url="postgresql://db/c",
            redis_url="redis://redis",
            temporal_api_key_file=key_file,
        )
        return find_servers(settings).temporal

    return describe


def test_a_profile_of_a_file_is_used(described: Described, tmp_path: Path) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(PROFILES)

    assert described(TEMPORAL_CONFIG_FILE=str(file), TEMPORAL_PROFILE="cloud") == {
        "target_host": "cases.a1b2c.tmprl.cloud:7233",
        "namespace": "cases.a1b2c",
        "api_key": "key of the profile",
        "tls": True,
    }


def test_certificates_are_read_from_their_files(described: Described, tmp_path: Path) -> None:
    names = {
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "tls.crt",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "tls.key",
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "ca.crt",
    }
    for name in names.values():
        (tmp_path / name).write_text(name)
    paths = {variable: str(tmp_path / name) for variable, name in names.items()}

    found = described(TEMPORAL_ADDRESS="t:7233", TEMPORAL_TLS_SERVER_NAME="temporal", **paths)

    assert found["tls"] == TLSConfig(
        server_root_ca_cert=b"ca.crt",
        domain="temporal",
        client_cert=b"tls.crt",
        client_private_key=b"tls.key",
    )


def test_an_api_key_of_a_file_comes_before_that_of_the_environment(
    described: Described, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("key of the file\n")

    found = described(file, TEMPORAL_ADDRESS="t:7233", TEMPORAL_API_KEY="key of the environment")

    assert found["api_key"] == "key of the file"
    assert found["tls"] is True


@pytest.mark.parametrize("content", [None, b"", b" \n", b"a key\nand another", b"\xff\xfe"])
def test_a_file_without_an_api_key_is_refused(
    described: Described, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match="CASEKEEPER_TEMPORAL_API_KEY_FILE: the file"):
        described(file, TEMPORAL_ADDRESS="t:7233")


def through(gate: Gate, servers: Servers, key: str) -> Servers:
    temporal = {**servers.temporal, "target_host": gate.address, "api_key": key, "tls": False}
    return servers.model_copy(update={"temporal": temporal})


async def test_a_worker_goes_over_to_a_new_api_key_without_a_restart(
    servers: Servers,
    settings: Settings,
    world: SmallWorld,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "key"
    file.write_text("first")
    stop, ready = asyncio.Event(), asyncio.Event()
    used = settings.model_copy(update={"temporal_api_key_file": file})
    await world.twins()
    caplog.set_level(logging.INFO, logger="runtime.connection")

    async def answered(case_id: str) -> bool:
        return (await (await world.start(BILLING, case_id)).result()).status == "answered"

    async with gate_to(servers.temporal_address) as gate:
        await gate.allow("first", "second")
        with pytest.raises(ServerUnreachable):
            await connect(through(gate, servers, "wrong"))
        await gate.until_called("GetSystemInfo", "wrong", "refused")
        reached = through(gate, servers, "first")
        running = asyncio.create_task(run_worker(reached, used, stop, ready))
        await ready.wait()
        assert await answered(f"case_{world.number}_first")
        await gate.until_called("RespondWorkflowTaskCompleted", "first", "passed")

        file.write_text("second")
        async with asyncio.timeout(20):
            while "a new API key for Temporal is in use" not in caplog.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await answered(f"case_{world.number}_both")
        await gate.until_called("PollWorkflowTaskQueue", "second", "passed")
        await gate.allow("second")
        assert await answered(f"case_{world.number}_second")
        stop.set()
        await running
        refused = await gate.refused()

    assert {call[1] for call in refused} == {"wrong"}


async def test_a_key_that_cannot_be_read_leaves_the_old_one_in_use(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection, "LOOK_S", 0.02)
    file = tmp_path / "key"
    client = await Client.connect(servers.temporal_address, api_key="first", tls=False)

    def key() -> str | None:
        return client.api_key

    with caplog.at_level(logging.INFO, logger="runtime.connection"):
        async with taking_new_keys(client, file):
            await asyncio.sleep(0.3)
            assert key() == "first"
            file.write_text("second")
            async with asyncio.timeout(10):
                while key() != "second":  # noqa: ASYNC110  the file is what is tested
                    await asyncio.sleep(0.02)

    said = [record.getMessage() for record in caplog.records]
    assert said == ["the API key stays as it was", "a new API key for Temporal is in use"]
    assert "second" not in caplog.text


async def test_an_embedded_server_is_told_no_key(servers: Servers, tmp_path: Path) -> None:
    client = await connect(servers)
    (tmp_path / "key").write_text("secret")
    async with taking_new_keys(client, tmp_path / "key"):
        assert client.api_key is None
