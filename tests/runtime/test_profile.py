"""What the settings must not say in production: one line for each refusal."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.service import TLSConfig

from runtime.profile import UnsafeInProduction, unsafe_settings
from runtime.servers import Servers
from runtime.settings import Settings

APP = "postgresql://app:s@db/casekeeper?sslmode=verify-full"
OWNER = "postgresql://owner:s@db/casekeeper?sslmode=verify-full"
MTLS = TLSConfig(client_cert=b"certificate", client_private_key=b"key")


@pytest.fixture
def safe(tmp_path: Path) -> dict[str, Any]:
    """All that production needs; each test spoils one of it."""
    keys = tmp_path / "secrets" / "keys.json"
    keys.parent.mkdir()
    keys.write_text("{}")
    return {
        "home": tmp_path / "home",
        "payments": "stripe",
        "payload_keys": keys,
        "customer_keys": keys,
        "temporal": {"target_host": "t:7233", "tls": MTLS},
        "database_url": APP,
        "owner_database_url": OWNER,
        "sandbox_database_url": APP,
        "redis_url": "rediss://:s@redis/0",
        "web_url": None,
    }


def reasons(safe: dict[str, Any], **spoiled: Any) -> list[str]:
    values = {**safe, **spoiled}
    servers = Servers.model_validate({k: v for k, v in values.items() if k in Servers.model_fields})
    names = (name for name in values if name not in Servers.model_fields)
    # A copy, so that nothing is read from the environment and nothing else is needed.
    return unsafe_settings(
        Settings().model_copy(update={name: values[name] for name in names}), servers
    )


def test_nothing_is_said_where_all_is_safe(safe: dict[str, Any]) -> None:
    assert reasons(safe) == []


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ({"payments": "sandbox"}, "CASEKEEPER_PAYMENTS: the sandbox"),
        ({"payload_keys": None}, "CASEKEEPER_PAYLOAD_KEYS: not set"),
        ({"customer_keys": None}, "CASEKEEPER_CUSTOMER_KEYS: not set"),
        ({"customer_keys": Path("/nowhere/keys")}, "CASEKEEPER_CUSTOMER_KEYS: the file cannot"),
        ({"payload_keys": Path("/nowhere/keys")}, "CASEKEEPER_PAYLOAD_KEYS: the file cannot"),
        ({"temporal": {"target_host": "t", "api_key": "k", "tls": False}}, "TEMPORAL_TLS"),
        ({"temporal": {"target_host": "t", "tls": TLSConfig()}}, "TEMPORAL_API_KEY: there is"),
        ({"database_url": "postgresql://a:s@db/c"}, "DATABASE_URL: without sslmode"),
        ({"database_url": APP.replace("verify-full", "prefer")}, "DATABASE_URL: without"),
        ({"owner_database_url": "postgresql://o:s@db/c"}, "OWNER_DATABASE_URL: without"),
        ({"sandbox_database_url": "postgresql://a@db/s"}, "SANDBOX_DATABASE_URL: without"),
        ({"redis_url": "redis://:s@redis/0"}, "REDIS_URL: redis:// has no TLS"),
        ({"redis_url": "rediss://redis/0"}, "REDIS_URL: it has no password"),
        ({"health_address": "0.0.0.0:8080"}, "CASEKEEPER_HEALTH_ADDRESS: 0.0.0.0:8080"),
        ({"metrics_address": "[::]:9464"}, "CASEKEEPER_METRICS_ADDRESS: [::]:9464"),
        ({"metrics_address": ":9464"}, "CASEKEEPER_METRICS_ADDRESS: :9464"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_danger_is_named_with_its_variable(
    safe: dict[str, Any], spoiled: dict[str, Any], words: str
) -> None:
    (reason,) = reasons(safe, **spoiled)

    assert reason.startswith(words)
    assert reason.endswith(".")


@pytest.mark.parametrize(
    "allowed",
    [
        {"temporal": {"target_host": "t", "api_key": "k"}},
        {"temporal": {"target_host": "t", "api_key": "k", "tls": True}},
        {"temporal": {"target_host": "t", "tls": True}, "temporal_auth": "acknowledged"},
        {"database_url": "postgresql://app@/casekeeper?host=/run/postgresql"},
        {"database_url": APP.replace("verify-full", "require")},
        {"redis_url": "rediss://redis/0?password=s"},
        {"redis_url": "unix://:s@/run/redis.sock"},
        {"health_address": "127.0.0.1:8080", "metrics_address": "localhost:9464"},
        {"health_address": "[::1]:8080", "metrics_address": ""},
        {"health_address": "0.0.0.0:8080", "listening": "acknowledged"},
    ],
    ids=str,
)
def test_other_ways_to_be_safe_are_known(safe: dict[str, Any], allowed: dict[str, Any]) -> None:
    assert reasons(safe, **allowed) == []


@pytest.mark.parametrize("home", ["home", "home/demo"])
def test_the_embedded_stacks_payload_keys_are_refused(safe: dict[str, Any], home: str) -> None:
    keys: Path = safe["home"].parent / home / "payload-keys.json"
    keys.parent.mkdir(parents=True)
    keys.write_text("{}")
    linked = safe["payload_keys"].with_name("linked.json")
    linked.symlink_to(keys)

    for path in (keys, linked):
        (reason,) = reasons(safe, payload_keys=path)
        assert reason.startswith("CASEKEEPER_PAYLOAD_KEYS: these are the keys of the embedded")


def test_an_approvers_token_that_everyone_can_read_is_refused(safe: dict[str, Any]) -> None:
    token: Path = safe["home"] / "approvers" / "lead.token"
    token.parent.mkdir(parents=True)
    token.write_text("ckt_secret")
    token.chmod(0o640)
    assert reasons(safe) == []

    token.chmod(0o644)
    (reason,) = reasons(safe)
    assert reason == f"CASEKEEPER_HOME: everyone here can read an approver's token in {token}."


def test_all_reasons_are_told_at_once_and_no_password_with_them(safe: dict[str, Any]) -> None:
    found = reasons(
        safe,
        payments="sandbox",
        database_url="postgresql://app:hunter2@db/c",
        redis_url="redis://:hunter2@redis/0",
    )
    error = UnsafeInProduction(found)

    assert len(found) == 3
    assert str(error).startswith("CASEKEEPER_PROFILE: production does not start like this:\n- ")
    assert str(error).count("\n- ") == 3
    assert "hunter2" not in str(error)
