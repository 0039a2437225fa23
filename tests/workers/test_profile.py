"""What only a server knows: each danger on a real one, and who refuses to start with it."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from runtime.profile import UnsafeInProduction
from runtime.servers import Servers
from runtime.settings import Settings
from stores.migrations import migrate
from stores.redis import connect_redis
from tests.stores.own_valkey import own_valkey
from tests.stores.support import own_database
from tests.workers.own_postgres import own_postgres
from workers.main import run_worker
from workers.profile import refuse_unsafe, unsafe


async def problems(servers: Servers, **changed: str) -> list[str]:
    """What the servers say themselves."""
    found = await unsafe(Settings(), servers.model_copy(update=changed))
    told = ("DATABASE_URL: the ", "DATABASE_URL: sync", "DATABASE_URL: fsync", "REDIS_URL: the ")
    return [reason for reason in found if reason.startswith(told)]


async def of_postgres(servers: Servers, url: str) -> list[str]:
    found = await problems(servers, database_url=url)
    return [reason for reason in found if reason.startswith("DATABASE_URL")]


@pytest.fixture
async def role(servers: Servers) -> AsyncGenerator[str]:
    """The address of a database of its own, as a role without tables there."""
    name = f"keeper_{os.getpid()}"
    async with own_database(servers, f"profile_{os.getpid()}") as address:
        await migrate(address)
        connection = await asyncpg.connect(address)
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        where = urlsplit(address)
        try:
            yield where._replace(netloc=f"{name}:secret@{where.hostname}:{where.port}").geturl()
        finally:
            await connection.execute(f"REASSIGN OWNED BY {name} TO postgres")
            await connection.execute(f"DROP OWNED BY {name}")
            await connection.execute(f"DROP ROLE {name}")
            await connection.close()


async def as_superuser(servers: Servers, role: str, statement: str) -> None:
    """Run a statement about `{0}`, the role, in its database."""
    address = servers.owner_database_url.rpartition("/")[0] + urlsplit(role).path
    connection = await asyncpg.connect(address)
    await connection.execute(statement.format(urlsplit(role).username))
    await connection.close()


async def test_the_role_that_runs_cases_is_accepted(servers: Servers) -> None:
    assert await of_postgres(servers, servers.database_url) == []


async def test_a_superuser_is_refused(servers: Servers) -> None:
    assert await of_postgres(servers, servers.owner_database_url) == [
        "DATABASE_URL: the role is a superuser, whom no rule of the record binds."
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE effects OWNER TO {0}",
        "GRANT CREATE ON SCHEMA public TO {0}",
        "CREATE ROLE o_{0}; GRANT o_{0} TO {0}; ALTER TABLE effects OWNER TO o_{0}",
    ],
)
async def test_a_role_that_could_change_the_record_is_refused(
    servers: Servers, role: str, statement: str
) -> None:
    assert await of_postgres(servers, role) == []
    await as_superuser(servers, role, statement)
    try:
        (reason,) = await of_postgres(servers, role)
        assert "owns tables or may create them" in reason
    finally:
        if "o_{0}" in statement:
            await as_superuser(servers, role, "DROP OWNED BY o_{0} CASCADE; DROP ROLE o_{0}")


async def test_a_role_that_does_not_wait_for_the_disk_is_refused(
    servers: Servers, role: str
) -> None:
    await as_superuser(servers, role, "ALTER ROLE {0} SET synchronous_commit = off")

    (reason,) = await of_postgres(servers, role)
    assert reason.startswith("DATABASE_URL: synchronous_commit is off")


@pytest.mark.parametrize(
    ("option", "words"),
    [("synchronous_commit", "synchronous_commit is off"), ("fsync", "fsync is off")],
)
async def test_a_server_that_does_not_wait_for_the_disk_is_refused(
    servers: Servers, tmp_path: Path, option: str, words: str
) -> None:
    with own_postgres(tmp_path, f"--{option}=off") as url:
        (reason,) = await of_postgres(servers, url)

    assert reason.startswith(f"DATABASE_URL: {words}")


async def test_a_replica_is_refused(servers: Servers, tmp_path: Path) -> None:
    with own_postgres(tmp_path, replica=True) as url:
        assert await of_postgres(servers, url) == [
            "DATABASE_URL: the server is a replica, which keeps nothing."
        ]


async def test_a_redis_that_asks_for_no_password_is_refused(
    servers: Servers, tmp_path: Path
) -> None:
    with own_valkey(tmp_path) as valkey:
        named = valkey.url.replace("://", "://:secret@")
        open_to_all = await problems(servers, redis_url=named)
        async with connect_redis(valkey.url) as redis:
            await redis.config_set("requirepass", "secret")  # pyright: ignore[reportUnknownMemberType]
        guarded = await problems(servers, redis_url=named)
        valkey.stop()
        away = await problems(servers, redis_url=named)

    assert open_to_all == ["REDIS_URL: the server answers without a password."]
    assert guarded == away == []


async def test_a_worker_of_production_says_all_reasons_at_once_and_does_not_start(
    servers: Servers,
) -> None:
    production = Settings(profile="production", health_address="0.0.0.0:0")
    ready = asyncio.Event()
    reached = servers.model_copy(update={"database_url": servers.owner_database_url})
    with pytest.raises(UnsafeInProduction) as refused:
        await asyncio.wait_for(run_worker(reached, production, asyncio.Event(), ready), 30)

    said = str(refused.value)
    for words in ("PAYMENTS", "PAYLOAD_KEYS", "TEMPORAL_TLS", "HEALTH_ADDRESS", "a superuser"):
        assert words in said
    assert not ready.is_set()


async def test_nobody_asks_in_development(servers: Servers) -> None:
    nowhere = servers.model_copy(update={"database_url": "postgresql://127.0.0.1:1/none"})

    await refuse_unsafe(Settings(), nowhere)


async def test_where_postgres_is_away_the_settings_are_judged_all_the_same(
    servers: Servers,
) -> None:
    nowhere = servers.model_copy(update={"database_url": "postgresql://127.0.0.1:1/none"})
    with pytest.raises(UnsafeInProduction, match="CASEKEEPER_PAYMENTS"):
        await refuse_unsafe(Settings(profile="production"), nowhere)
