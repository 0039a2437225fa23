"""Which servers this process uses: those of the environment, else the embedded ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio.envconfig import ClientConfig

from runtime.connection import read_api_key
from runtime.embedded.stack import Addresses, find_running
from runtime.keys import CUSTOMER_KEY_FILE, KEY_FILE
from runtime.settings import Settings


class ServerUnreachable(Exception):
    """A server does not answer, or is not named anywhere; the sentence says which."""

    def __init__(self, server: str, problem: str) -> None:
        super().__init__(f"{server} is not reachable: {problem}")
        self.server = server


class Servers(BaseModel):
    """Where everything is. `temporal` holds the keyword arguments of `Client.connect`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    temporal: dict[str, Any]
    #: Postgres as the role that runs cases.
    database_url: str
    #: Postgres as the role that owns the tables: for migrations and for people who maintain it.
    owner_database_url: str
    sandbox_database_url: str
    redis_url: str
    web_url: str | None
    #: What payloads are encrypted with; None where they are not.
    payload_keys: Path | None = None
    #: What wraps the customers' keys; None where what is stored of them is in clear.
    customer_keys: Path | None = None

    @property
    def temporal_address(self) -> str:
        return str(self.temporal["target_host"])

    @property
    def namespace(self) -> str:
        return str(self.temporal.get("namespace", "default"))


def named_in_environment(settings: Settings) -> dict[str, bool]:
    """Which of the three servers the environment names."""
    return {
        "TEMPORAL_ADDRESS": bool(_temporal().get("target_host")),
        "DATABASE_URL": bool(settings.database_url),
        "REDIS_URL": bool(settings.redis_url),
    }


def find_servers(settings: Settings) -> Servers:
    """The servers to use; raises ServerUnreachable for one that neither side names."""
    named = named_in_environment(settings)
    missing = [name for name, is_named in named.items() if not is_named]
    embedded = find_embedded(settings) if missing else None
    if missing and embedded is None:
        raise ServerUnreachable(
            _SERVER_OF[missing[0]],
            f"no stack is running in {settings.home} and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set. Start one with `casekeeper up`.",
        )
    return _combine(settings, embedded)


def find_embedded(settings: Settings) -> Addresses | None:
    """The embedded stack that runs here: the usual one, else the demo's."""
    return find_running(settings.home) or find_running(demo_home(settings))


def home_in_use(settings: Settings) -> Path:
    """The home of the database that is used: a demo's own stack has one of its own."""
    demo = demo_home(settings)
    is_demo = not settings.database_url and not find_running(settings.home) and find_running(demo)
    return demo if is_demo else settings.home


def demo_home(settings: Settings) -> Path:
    """Where the demo keeps the data of its own stack, anew for each run."""
    return settings.home / "demo"


def of_stack(
    settings: Settings,
    addresses: Addresses,
    payload_keys: Path | None = None,
    customer_keys: Path | None = None,
) -> Servers:
    """The embedded servers, whatever the environment names."""
    only_stack = settings.model_copy(
        update={
            "database_url": None,
            "owner_database_url": None,
            "redis_url": None,
            "sandbox_database_url": None,
        }
    )
    servers = _combine(only_stack, addresses)
    return servers.model_copy(
        update={
            "temporal": {"target_host": addresses.temporal_address, "namespace": "default"},
            "payload_keys": payload_keys,
            "customer_keys": customer_keys,
        }
    )


def find_payload_keys(settings: Settings) -> Path | None:
    """The file of keys: the one that is named, else that of the embedded stack that runs here."""
    if settings.payload_keys:
        return settings.payload_keys
    target = _temporal().get("target_host")
    return _of_home(settings, KEY_FILE, lambda own: target in (None, own.temporal_address))


def find_customer_keys(settings: Settings) -> Path | None:
    """The file of keys: the one that is named, else that of the embedded database that is used."""
    if settings.customer_keys:
        return settings.customer_keys
    url = settings.database_url
    return _of_home(
        settings,
        CUSTOMER_KEY_FILE,
        lambda own: url in (None, own.database_url, own.owner_database_url),
    )


def _of_home(settings: Settings, name: str, is_used: Callable[[Addresses], bool]) -> Path | None:
    """The file in the home of the embedded stack that runs and is used, if it is there."""
    for home in (settings.home, demo_home(settings)):
        running = find_running(home)
        if running and is_used(running):
            file = home / name
            return file if file.exists() else None
    return None


_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_SERVER_OF = {"TEMPORAL_ADDRESS": "Temporal", "DATABASE_URL": "Postgres", "REDIS_URL": "Redis"}


def _combine(settings: Settings, embedded: Addresses | None) -> Servers:
    temporal = _temporal()
    if temporal.get("target_host") and settings.temporal_api_key_file:
        temporal = {**temporal, "api_key": read_api_key(settings.temporal_api_key_file)}
    if embedded and not temporal.get("target_host"):
        temporal = {**temporal, "target_host": embedded.temporal_address}
    database = settings.database_url or (embedded.database_url if embedded else "")
    owner = settings.owner_database_url
    if embedded and not settings.database_url:
        owner = owner or embedded.owner_database_url
    if settings.redis_url and not settings.redis_url.startswith(_REDIS_SCHEMES):
        raise ServerUnreachable("Redis", "REDIS_URL does not begin with redis:// or rediss://")
    return Servers(
        temporal=temporal,
        database_url=database,
        owner_database_url=owner or database,
        sandbox_database_url=settings.sandbox_database_url or database,
        redis_url=settings.redis_url or (embedded.redis_url if embedded else ""),
        web_url=settings.web_url or (embedded.web_url if embedded else None),
        payload_keys=find_payload_keys(settings),
        customer_keys=find_customer_keys(settings),
    )


def _temporal() -> dict[str, Any]:
    try:
        config = ClientConfig.load_client_connect_config()
    except (OSError, RuntimeError) as error:
        raise ServerUnreachable("Temporal", f"its settings cannot be read: {error}") from error
    return {key: value for key, value in dict(config).items() if value is not None}
