"""The API key for Temporal from a file, which may be another one tomorrow."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from cases.errors import InvalidInput

_log = logging.getLogger(__name__)

#: How often the file is read, in seconds.
LOOK_S = 2.0


def read_api_key(path: Path) -> str:
    """The key in the file; raises InvalidInput if there is none."""
    variable = "CASEKEEPER_TEMPORAL_API_KEY_FILE"
    try:
        key = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(variable, f"the file cannot be read ({type(error).__name__})") from error
    if not key.isascii() or not key.isprintable() or not key:
        raise InvalidInput(variable, "the file holds no API key")
    return key


@asynccontextmanager
async def taking_new_keys(client: Client, path: Path | None) -> AsyncGenerator[None]:
    """While the block runs, what the client sends carries the key that is in the file then."""
    # A client without a key is connected to an embedded server, which needs none.
    if path is None or client.api_key is None:
        yield
        return
    task = asyncio.create_task(_take_new_keys(client, path))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _take_new_keys(client: Client, path: Path) -> None:
    problem = ""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            key = await asyncio.to_thread(read_api_key, path)
        except InvalidInput as error:
            if str(error) != problem:
                _log.warning("the API key stays as it was", extra={"problem": str(error)})
            problem = str(error)
            continue
        problem = ""
        if key != client.api_key:
            client.api_key = key
            _log.info("a new API key for Temporal is in use")
