"""What probes ask a worker: /livez, whether it turns, and /readyz, whether it can work."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from cases.errors import InvalidInput
from runtime.small_http import Request, Response, refusal, serve

Check = Callable[[], Awaitable[object]]

#: How long a server may take to answer a check, and for how long its answer counts, in seconds.
PATIENCE_S = FRESH_S = 1.0
#: How long a probe may take to ask, in seconds; how long its question may be; how many at a time.
_ASKS_WITHIN_S, _LONGEST, _AT_ONCE = 2.0, 4096, 20


class Health:
    """Whether this worker can work, as its servers answer."""

    def __init__(self, checks: Mapping[str, Check], needed: Collection[str]) -> None:
        """Without one of the `needed` nothing works; the others are only named."""
        self._checks = checks
        self._needed = needed
        self._found: dict[str, str] = {}
        self._found_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        #: "starting", "polling" or "stopping".
        self.worker = "starting"

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether new work should come here, and how each server answered."""
        found = await self._look()
        ready = self.worker == "polling" and not any(found[name] for name in self._needed)
        servers = {name: {"ok": not why, "why": why} for name, why in found.items()}
        return ready, {"ready": ready, "worker": self.worker, **servers}

    async def _look(self) -> dict[str, str]:
        """Why each server cannot be used. Probes that come together share one look."""
        clock = asyncio.get_running_loop().time
        async with self._one_at_a_time:
            if clock() - self._found_at >= FRESH_S:
                why = await asyncio.gather(*map(_why_not, self._checks.values()))
                self._found = dict(zip(self._checks, why, strict=True))
                self._found_at = clock()
            return self._found


async def _why_not(check: Check) -> str:
    """Empty where it answers; never the error's own text, which may name a password."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE_S:g} s"
    except Exception as error:  # noqa: BLE001  whatever it is, the server cannot be used
        return type(error).__name__
    return ""


@asynccontextmanager
async def serving(health: Health, address: str) -> AsyncGenerator[None]:
    """Answer probes at that address while the block runs; not at all where it is empty.

    Raises InvalidInput.
    """
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        if not host:  # which would mean every interface
            raise ValueError(f"{address!r} names no host")  # noqa: TRY301  as the other errors
        server = await serve(
            partial(_answer, health),
            host.strip("[]"),
            int(port),
            body_limit=0,
            head_limit=_LONGEST,
            patience_s=_ASKS_WITHIN_S,
            at_once=_AT_ONCE,
        )
    except (OSError, ValueError, OverflowError) as error:
        raise InvalidInput("CASEKEEPER_HEALTH_ADDRESS", str(error)) from error
    try:
        yield
    finally:
        server.close()


async def _answer(health: Health, request: Request) -> Response:
    if request.path not in ("/livez", "/readyz"):
        return refusal(HTTPStatus.NOT_FOUND)
    if request.method != "GET":
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    if request.path == "/livez":
        return _json(HTTPStatus.OK, {"alive": True})
    ready, body = await health.ready()
    return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body)


def _json(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body).encode())
