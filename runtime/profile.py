"""What the settings say that is not safe in production: sentences that begin with the variable.

What only a server knows, `workers.profile` asks it.
"""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from temporalio.service import TLSConfig

from cases.errors import InvalidInput
from runtime.keys import CUSTOMER_KEYS, PAYLOAD_KEYS
from runtime.servers import Servers, demo_home
from runtime.settings import Settings

#: With the others asyncpg may go on without TLS.
_SSL_MODES = {"require", "verify-ca", "verify-full"}


class UnsafeInProduction(InvalidInput):
    """`CASEKEEPER_PROFILE=production`, and what is not safe there; all reasons at once."""

    def __init__(self, reasons: list[str]) -> None:
        found = "".join(f"\n- {reason}" for reason in reasons)
        super().__init__("CASEKEEPER_PROFILE", f"production does not start like this:{found}")


def unsafe_settings(settings: Settings, servers: Servers) -> list[str]:
    """Every reason not to start in production that the settings alone tell."""
    checks: tuple[Callable[[Settings, Servers], Iterator[str]], ...] = (
        _payments, _keys, _temporal, _postgres, _redis, _listening, _tokens,
    )  # fmt: skip
    return [reason for check in checks for reason in check(settings, servers)]


def _payments(settings: Settings, _: Servers) -> Iterator[str]:
    if settings.payments == "sandbox":
        yield "CASEKEEPER_PAYMENTS: the sandbox moves no money; set up a payment provider."


def _keys(settings: Settings, servers: Servers) -> Iterator[str]:
    if servers.payload_keys is None:
        yield f"{PAYLOAD_KEYS}: not set, so Temporal would keep all it is told in clear."
    if servers.customer_keys is None:
        yield (
            f"{CUSTOMER_KEYS}: not set, so Postgres and Redis would keep customers' data in clear, "
            "and nobody could be erased."
        )
    files = {PAYLOAD_KEYS: servers.payload_keys, CUSTOMER_KEYS: servers.customer_keys}
    for setting, path in files.items():
        if path is not None:
            yield from _key_file(settings, setting, path)


def _key_file(settings: Settings, setting: str, path: Path) -> Iterator[str]:
    if path.resolve().parent in {home.resolve() for home in _homes(settings)}:
        yield (
            f"{setting}: these are the keys of the embedded stack; make others for "
            "production, and keep them elsewhere."
        )
    try:
        path.read_bytes()
    except OSError as error:
        yield f"{setting}: the file cannot be read ({error.strerror})."


def _temporal(settings: Settings, servers: Servers) -> Iterator[str]:
    api_key, tls = servers.temporal.get("api_key"), servers.temporal.get("tls")
    if not (api_key if tls is None else tls):
        yield "TEMPORAL_TLS: the connection to Temporal has no TLS."
    certificate = isinstance(tls, TLSConfig) and tls.client_cert
    if not (api_key or certificate or settings.temporal_auth):
        yield (
            "TEMPORAL_API_KEY: there is neither an API key nor a client certificate; a Temporal "
            "that asks for none lets anyone signal, reset and terminate. "
            "CASEKEEPER_TEMPORAL_AUTH=acknowledged says that yours is guarded by other means."
        )


def _postgres(_: Settings, servers: Servers) -> Iterator[str]:
    urls = {
        "DATABASE_URL": servers.database_url,
        "OWNER_DATABASE_URL": servers.owner_database_url,
        "SANDBOX_DATABASE_URL": servers.sandbox_database_url,
    }
    for number, (variable, url) in enumerate(urls.items()):
        # One that is not set is the first one again.
        known = url in list(urls.values())[:number]
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        if not (known or _is_socket(parts) or _SSL_MODES & set(options.get("sslmode", []))):
            yield (
                f"{variable}: without sslmode=verify-full the connection to Postgres may go on "
                "without TLS."
            )


def _is_socket(parts: SplitResult) -> bool:
    """Does the address name a directory of this machine?"""
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[-1]
    return host.startswith("/")


def _redis(_: Settings, servers: Servers) -> Iterator[str]:
    parts = urlsplit(servers.redis_url)
    if parts.scheme == "redis":
        yield "REDIS_URL: redis:// has no TLS; use rediss://."
    if not (parts.password or parse_qs(parts.query).get("password")):
        yield "REDIS_URL: it has no password, so Redis would have to let in anyone."


def _listening(settings: Settings, _: Servers) -> Iterator[str]:
    if settings.listening:
        return
    addresses = {
        "CASEKEEPER_HEALTH_ADDRESS": settings.health_address,
        "CASEKEEPER_METRICS_ADDRESS": settings.metrics_address,
    }
    for variable, address in addresses.items():
        if address and not _is_loopback(address):
            yield (
                f"{variable}: {address} can be reached from other machines and asks "
                "for no password; CASEKEEPER_LISTENING=acknowledged says that a network keeps them "
                "out."
            )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tokens(settings: Settings, _: Servers) -> Iterator[str]:
    for home in _homes(settings):
        for token in sorted(home.glob("approvers/*.token")):
            if token.stat().st_mode & 0o004:
                yield f"CASEKEEPER_HOME: everyone here can read an approver's token in {token}."


def _homes(settings: Settings) -> tuple[Path, Path]:
    return settings.home, demo_home(settings)
