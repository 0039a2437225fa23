"""The way to Stripe with one API key: pinned version, no retries, a deadline, a breaker."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from gateways.stripe.breaker import Breaker
from gateways.stripe.errors import NoAnswer, Refused, in_our_words
from gateways.stripe.sdk import stripe
from gateways.stripe.transport import HttpClient

#: The API version that this code was written for: the default of the SDK that is pinned.
API_VERSION = "2026-10-28.endive"
#: How long a refund may take: shorter than the attempt of the activity that asks for it.
DEADLINE = timedelta(seconds=15)

Call = Callable[[stripe.StripeClient], Awaitable[stripe.StripeObject]]
PageCall = Callable[[stripe.StripeClient, Any], Awaitable[stripe.StripeObject]]

_log = logging.getLogger(__name__)


class _Item(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    id: str


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    data: list[_Item]
    has_more: bool


class Connection:
    """Asks Stripe. Every failure is a `Refused` or a `NoAnswer`."""

    def __init__(
        self,
        api_key: str,
        *,
        url: str = "",
        deadline: timedelta = DEADLINE,
        breaker: Breaker | None = None,
    ) -> None:
        _be_discreet()
        self.deadline_s = deadline.total_seconds()
        self._breaker = breaker or Breaker()
        self._http = HttpClient(self.deadline_s)
        self._client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": url} if url else None,
            # A retry is Temporal's to make: it looks before it sends again.
            max_network_retries=0,
            http_client=self._http,
        )

    async def ask(self, call: Call, *, until: float | None = None) -> dict[str, Any]:
        """One request, answered before `until` by the loop's clock. Raises Refused, NoAnswer."""
        if self._breaker.is_open:
            raise NoAnswer("not_authorised", self._breaker.pause)
        try:
            async with asyncio.timeout_at(until or self.ends_at()):
                answer = await call(self._client)
            return answer.to_dict()
        # The SDK trips in ways of its own over bodies that are not Stripe's. The request is out
        # then, so whatever it raises means the same: nothing is known. Its texts may quote answers.
        except Exception as error:  # noqa: BLE001
            meaning = in_our_words(error)
        raise self._noted(meaning)

    async def pages(
        self, call: PageCall, params: Mapping[str, Any], *, until: float | None = None
    ) -> AsyncIterator[Any]:
        """Every item of a list, page by page, as Stripe orders it: newest first."""
        wanted = {"limit": 100, **params}
        while True:
            answer = await self.ask(lambda client: call(client, dict(wanted)), until=until)
            try:
                page = _Page.model_validate(answer)
            except ValidationError:
                raise NoAnswer("unexpected_answer") from None
            for item in page.data:
                yield item.model_dump()
            if not page.has_more or not page.data:
                return
            wanted["starting_after"] = page.data[-1].id

    def ends_at(self) -> float:
        """When a call that begins now must be over, by the loop's clock."""
        return asyncio.get_running_loop().time() + self.deadline_s

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close_async()

    def _noted(self, meaning: Refused | NoAnswer) -> Refused | NoAnswer:
        if meaning.code != "not_authorised":
            return meaning
        if self._breaker.open():
            pause = self._breaker.pause
            _log.error("Stripe does not accept the API key: nothing is sent for %s.", pause)
        return NoAnswer("not_authorised", self._breaker.pause)


def _be_discreet() -> None:
    """Tell nobody what need not be told: at INFO these log customer ids, at DEBUG card data."""
    for name in ("stripe", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Describes this machine to Stripe, and writes an id into the home directory.
    stripe.enable_telemetry = False
