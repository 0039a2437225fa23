"""How the SDK's requests travel: httpx, without retries, and with time-outs of our own."""

from collections.abc import Mapping
from typing import ClassVar

from gateways.stripe.sdk import httpx, stripe

_CONNECT_S = 5.0


class HttpClient(stripe.HTTPClient):
    """The SDK's own client for httpx uses a form of sending that httpx has deprecated."""

    name: ClassVar[str] = "httpx"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  # untyped there
        limits = httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
        self._http = httpx.AsyncClient(timeout=limits)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request, sent once. What httpx raises goes through as it is."""
        answer = await self._http.request(method, url, headers=headers, content=post_data)
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        await self._http.aclose()
