"""How requests travel to a model: with a deadline, sent once, and with little trust in the answer.

Proxies of the environment (HTTPS_PROXY and the like) are respected.
"""

from collections.abc import AsyncIterator

import httpx2

_CONNECT_S = 5
_MOST_CONNECTIONS = 20
#: A hundred times what the longest usable answer takes.
MOST_BYTES = 256 * 1024


class Unacceptable(Exception):
    """An answer that is not read to its end."""


def http_client(timeout_s: int) -> httpx2.AsyncClient:
    """A client whose answers are small and come from the address that was asked."""
    short = min(_CONNECT_S, timeout_s)
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=short, pool=short),
        limits=httpx2.Limits(max_connections=_MOST_CONNECTIONS),
        # What is not compressed cannot grow when it is unpacked.
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"response": [_guard]},
    )


async def _guard(response: httpx2.Response) -> None:
    if response.has_redirect_location:
        raise Unacceptable("it points to another address")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unacceptable("it is compressed")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Capped(response.stream)


class _Capped(httpx2.AsyncByteStream):
    """The first bytes of a body; when there are more the connection is closed."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for chunk in self._body:
            left -= len(chunk)
            if left < 0:
                raise Unacceptable("it is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()
