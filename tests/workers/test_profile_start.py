"""Production starts where all is safe, and its commands refuse where it is not."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from runtime.keys import ensure_keys
from runtime.servers import Servers, ServerUnreachable, find_servers
from runtime.settings import Settings, read_settings
from runtime.temporal import connect
from tests.stores.own_valkey import own_valkey
from tests.workers.tls import Certificate, tls_to
from workers.main import run_worker
from workers.profile import unsafe


@pytest.fixture
async def production(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Settings]:
    """The settings of a process that has everything right, in its environment."""
    own = Certificate.make(tmp_path)
    keys = tmp_path / "secrets" / "keys.json"
    keys.parent.mkdir()
    ensure_keys(keys)
    database = urlsplit(servers.database_url)
    place = f"{database.hostname}:{database.port}"
    with own_valkey(tmp_path / "valkey") as valkey:
        async with Redis.from_url(valkey.url) as redis:  # pyright: ignore[reportUnknownMemberType]
            await redis.config_set("requirepass", "secret")  # pyright: ignore[reportUnknownMemberType]
        async with (
            tls_to(servers.temporal_address, own, mutual=True) as temporal,
            tls_to(place, own, postgres=True) as postgres,
            tls_to(urlsplit(valkey.url).netloc, own) as redis_place,
        ):
            dsn = servers.database_url.replace(place, postgres)
            variables = {
                "CASEKEEPER_PROFILE": "production",
                "CASEKEEPER_HOME": str(tmp_path / "home"),
                "CASEKEEPER_PAYLOAD_KEYS": str(keys),
                "CASEKEEPER_CUSTOMER_KEYS": str(keys),
                "CASEKEEPER_PAYMENTS": "stripe",
                "CASEKEEPER_STRIPE_ACCOUNT": "tests",
                "STRIPE_API_KEY": "rk_test_nothing_is_called",
                "TEMPORAL_ADDRESS": temporal,
                "TEMPORAL_TLS_CLIENT_CERT_PATH": str(own.certificate),
                "TEMPORAL_TLS_CLIENT_KEY_PATH": str(own.key),
                "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(own.certificate),
                "DATABASE_URL": f"{dsn}?sslmode=verify-full&sslrootcert={own.certificate}",
                "REDIS_URL": f"rediss://:secret@{redis_place}/0?ssl_ca_certs={own.certificate}",
            }
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            yield read_settings()


async def test_a_worker_of_production_starts_where_all_is_safe(production: Settings) -> None:
    servers = find_servers(production)
    stop, ready = asyncio.Event(), asyncio.Event()
    assert await unsafe(production, servers) == []

    running = asyncio.create_task(run_worker(servers, production, stop, ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    stop.set()
    await running
    assert ready.is_set()


async def test_without_its_certificate_a_client_is_not_let_in(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CERT", "KEY"):
        monkeypatch.delenv(f"TEMPORAL_TLS_CLIENT_{name}_PATH")
    with pytest.raises(ServerUnreachable, match="Temporal"):
        await connect(find_servers(production))
