"""`casekeeper codec serve` and `casekeeper keys`: who can read what Temporal stores."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from cases.errors import InvalidInput
from runtime.codec import EncryptedPayloads
from runtime.codec_server import BODY_LIMIT, CodecServer, Tokens
from runtime.keys import (
    CUSTOMER_KEY_FILE,
    CUSTOMER_KEYS,
    KEY_FILE,
    LOOK_AGAIN_S,
    PAYLOAD_KEYS,
    KeyFile,
    KeyRing,
    forget_old,
    made_at,
    read_keys,
)
from runtime.keys import rotate as rotate_keys
from runtime.logs import set_up_logs
from runtime.servers import (
    find_customer_keys,
    find_embedded,
    find_payload_keys,
    named_in_environment,
)
from runtime.settings import Settings, read_settings
from runtime.small_http import serve as serve_http
from starters.owner import open_as_owner
from starters.terminal import JsonFlag, attempt, execute, out, plain_table, print_result
from stores.erasure import PostgresErasure
from stores.postgres import DEADLINE_S
from workers.main import stop_on_signals

codec = typer.Typer(help="Show encrypted payloads to those who may read them.")
keys = typer.Typer(
    help="The keys of all that Temporal stores, and those that wrap the customers' own."
)
CustomersFlag = Annotated[
    bool,
    typer.Option(
        "--customers",
        help="Those that wrap the customers' keys, for what Postgres and Redis hold of them.",
    ),
]


#: Until nobody wraps with an older key any more, in seconds after the file was changed: whoever
#: reads it looks again by then, and a statement that was on its way has ended.
SETTLED_S = LOOK_AGAIN_S + DEADLINE_S + 1


# With a callback, the one command is called by its name.
@codec.callback()
def about() -> None:
    """Show encrypted payloads to those who may read them."""


@codec.command()
def serve(
    address: Annotated[
        str, typer.Option("--address", metavar="HOST:PORT", help="Where to listen.")
    ] = "127.0.0.1:8088",
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="URL",
            help="The Temporal Web UI that may ask; by default the one of CASEKEEPER_WEB_URL or of "
            "the embedded stack.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Decode payloads for the Temporal Web UI and CLI, until Ctrl-C. Whoever asks needs a token."""
    attempt(lambda: asyncio.run(_serve(address, origin, as_json)), as_json)


async def _serve(address: str, origin: str | None, as_json: bool) -> None:
    settings = read_settings()
    host, port = _host_and_port(address)
    web_ui = _origin(settings, origin)
    tokens = Tokens(settings.home / "codec")
    payload_codec = EncryptedPayloads(KeyFile(_key_file(settings)))
    set_up_logs(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    new_token = tokens.ensure_one()
    answer = CodecServer(payload_codec, tokens, web_ui).answer
    async with await serve_http(answer, host, port, body_limit=BODY_LIMIT) as server:
        port = server.sockets[0].getsockname()[1]
        result = {
            "endpoint": f"http://{host}:{port}",
            "origin": web_ui,
            "tokens": str(tokens.folder),
            "new_token_file": str(new_token) if new_token else None,
        }
        print_result(result, as_json, _print_serving)
        await stop.wait()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004
        raise InvalidInput("--address", f"{address!r} is not like 127.0.0.1:8088")
    return host, int(port)


def _origin(settings: Settings, given: str | None) -> str | None:
    """The scheme, host and port of the Web UI's address, as browsers name it."""
    embedded = find_embedded(settings)
    url = given or settings.web_url or (embedded.web_url if embedded else None)
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidInput("--origin", f"{url!r} is not like http://127.0.0.1:8233")
    return f"{parts.scheme}://{parts.netloc}"


def _key_file(settings: Settings) -> Path:
    """The file in use; before the first `casekeeper up` it is where that will look for it."""
    found = find_payload_keys(settings)
    if found is None and named_in_environment(settings)["TEMPORAL_ADDRESS"]:
        problem = "say where the file is: this Temporal is not the embedded one"
        raise InvalidInput(PAYLOAD_KEYS, problem)
    return found or settings.home / KEY_FILE


def _print_serving(result: dict[str, Any]) -> None:
    out.print(f"The codec server listens on {result['endpoint']}.", soft_wrap=True)
    if result["new_token_file"]:
        out.print(f"The first token is in {result['new_token_file']}: keep it.", soft_wrap=True)
    else:
        out.print(f"Its tokens are in {result['tokens']}.", soft_wrap=True)
    if result["origin"]:
        out.print(
            f"Open {result['endpoint']} in a browser to sign in; then name that endpoint in the "
            f"Web UI at {result['origin']}, with cross-origin credentials.",
            soft_wrap=True,
        )
    out.print("Ctrl-C stops it.", style="dim")


@keys.command()
def rotate(
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Only add the key; the next rotate uses it. For files that reach other machines "
            "later than this one.",
        ),
    ] = False,
    customers: CustomersFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Encrypt with a new key from now on; the old ones still decode."""
    execute(_rotate(prepare, customers), as_json, _print_keys)


@keys.command()
def forget(as_json: JsonFlag = False) -> None:
    """Wrap every customer's key with the newest one, and take the old ones out of the file.

    For when every process has the newest: backups from before cannot be read with this file.
    """
    execute(_forget(), as_json, _print_keys)


@keys.command(name="list")
def list_(customers: CustomersFlag = False, as_json: JsonFlag = False) -> None:
    """List the keys' ids and dates, never the keys."""
    execute(_list(customers), as_json, _print_keys)


async def _rotate(prepare: bool, customers: bool) -> dict[str, Any]:
    path, setting = _file(customers)
    return _shown(path, rotate_keys(path, setting, prepare=prepare))


async def _list(customers: bool) -> dict[str, Any]:
    path, setting = _file(customers)
    return _shown(path, read_keys(path, setting))


async def _forget() -> dict[str, Any]:
    async with open_as_owner(read_settings(), "wrap the customers' keys anew") as pool:
        path, setting = _file(customers=True)
        newest = read_keys(path, setting).newest
        await asyncio.sleep(max(0.0, path.stat().st_mtime + SETTLED_S - time.time()))
        wrapped = await PostgresErasure(pool).rewrap(KeyFile(path, setting))
    return {**_shown(path, forget_old(path, newest)), "wrapped_anew": wrapped}


def _file(customers: bool) -> tuple[Path, str]:
    """The file of keys that is meant, and the setting that names it."""
    settings = read_settings()
    if not customers:
        return _key_file(settings), PAYLOAD_KEYS
    found = find_customer_keys(settings)
    if found is None and settings.database_url:
        problem = "say where the file is: this Postgres is not the embedded one"
        raise InvalidInput(CUSTOMER_KEYS, problem)
    return found or settings.home / CUSTOMER_KEY_FILE, CUSTOMER_KEYS


def _shown(path: Path, ring: KeyRing) -> dict[str, Any]:
    made = {key_id: made_at(key_id) for key_id in ring.keys}
    return {
        "file": str(path),
        "keys": [
            {
                "id": key_id,
                "made_at": date.isoformat() if date else None,
                "encrypts": key_id == ring.newest,
            }
            for key_id, date in made.items()
        ],
    }


def _print_keys(result: dict[str, Any]) -> None:
    table = plain_table("key", "made", "")
    for key in result["keys"]:
        made = (key["made_at"] or "")[:16].replace("T", " ")
        table.add_row(key["id"], made, "encrypts" if key["encrypts"] else "decodes only")
    out.print(table)
    out.print(f"They are in {result['file']}: whoever reads that reads all.", soft_wrap=True)
