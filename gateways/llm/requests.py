"""Every request to a model is on the meter before it is sent, and again however it ends."""

import asyncio
import math

from genai_prices import calc_price
from pydantic_ai import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, TextPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from cases.errors import ModelRefused
from cases.model_calls import CallEnd, Spent, Usage
from cases.model_ports import Meter
from cases.records import canonical
from gateways.llm.errors import Failure, in_our_words

#: Longer than any form that is filled in; a longer text is not one, and is not sent back either.
_LONGEST_TEXT = 8_000
_WITH_PRICES = ("openai", "anthropic")
#: What stands around the messages and the form, here and at the provider.
_AROUND = 1_000
#: A provider may claim any figure: above this it is not believed.
_MOST_TOKENS = 10_000_000


class MeteredRequests(WrapperModel):
    """A model for one question of one case. Only the text of its answers is let through."""

    def __init__(self, wrapped: Model, name: str, meter: Meter, timeout_s: int) -> None:
        super().__init__(wrapped)
        self._name = name
        self._meter = meter
        self._timeout_s = timeout_s
        #: What all requests so far have used, as far as the provider told.
        self.used = Usage()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask once. Raises ModelUnavailable, ModelRefused, UnusableAnswer, or as the meter does."""
        most = self._most(messages, model_settings or {}, model_request_parameters)
        call = await self._meter.begin(self._name, most)
        began = _now()
        # What is cancelled on its way may have cost the most.
        end, used, found = CallEnd.UNAVAILABLE, None, None
        try:
            found = await self._send(messages, model_settings, model_request_parameters)
            end, used = self._account(found, _now() - began)
        finally:
            await asyncio.shield(self._meter.end(call, end, used))
        if isinstance(found, Failure):
            if found.error:
                if found.error.retry_after:
                    await self._meter.pause(self._name, found.error.retry_after)
                raise found.error
            return ModelResponse(parts=[])
        if end is CallEnd.REFUSED:
            raise ModelRefused(self._name, "a content filter")
        return ModelResponse(parts=[TextPart(_text(found))])

    async def _send(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse | Failure:
        try:
            # From the first byte to the last: who sends one now and then is cut off too.
            async with asyncio.timeout(self._timeout_s):
                return await self.wrapped.request(
                    messages, model_settings, model_request_parameters
                )
        # The SDKs trip in ways of their own over answers that are not their provider's.
        except Exception as error:  # noqa: BLE001
            return in_our_words(error, self._name)

    def _account(self, found: ModelResponse | Failure, ms: int) -> tuple[CallEnd, Usage | None]:
        if isinstance(found, Failure):
            return found.end, Usage(milliseconds=ms) if found.free else None
        refused = found.finish_reason == "content_filter"
        end = CallEnd.REFUSED if refused else CallEnd.ANSWERED
        told = _believable(found.usage)
        if not told.total_tokens:
            return end, None
        used = Usage(
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            milliseconds=ms,
            micro_usd=self._micro_usd(told),
        )
        self.used = _sum(self.used, used)
        return end, used

    def _most(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
    ) -> Spent:
        """No token is shorter than a byte, and no fewer of them are counted than are sent."""
        form = parameters.output_object
        form_size = len(canonical(form.json_schema)) if form else 0
        usage = RequestUsage(
            input_tokens=len(ModelMessagesTypeAdapter.dump_json(messages)) + form_size + _AROUND,
            output_tokens=settings.get("max_tokens", 0),
        )
        return Spent(
            tokens=usage.total_tokens,
            milliseconds=self._timeout_s * 1000,
            micro_usd=self._micro_usd(usage),
        )

    def _micro_usd(self, usage: RequestUsage) -> int:
        """The provider's list price; 0 for a model that is not on its list, or is one's own."""
        provider = self._name.partition(":")[0]
        if provider not in _WITH_PRICES:
            return 0
        try:
            price = calc_price(usage, self.model_name, provider_id=provider)
        except LookupError:
            return 0
        return math.ceil(price.total_price * 1_000_000)


def _now() -> int:
    """Milliseconds by the loop's clock."""
    return int(asyncio.get_running_loop().time() * 1000)


def _text(response: ModelResponse) -> str:
    """What the model wrote: no thoughts, no calls of tools, nothing that cannot be encoded."""
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    return text.encode(errors="replace").decode() if len(text) <= _LONGEST_TEXT else ""


def _believable(usage: RequestUsage) -> RequestUsage:
    return RequestUsage(
        input_tokens=min(max(usage.input_tokens, 0), _MOST_TOKENS),
        output_tokens=min(max(usage.output_tokens, 0), _MOST_TOKENS),
    )


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        milliseconds=one.milliseconds + other.milliseconds,
        micro_usd=one.micro_usd + other.micro_usd,
    )
