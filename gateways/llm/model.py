"""A real language model through the port of any metered model, by Pydantic AI."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Generic, TypeVar

import httpx2
from pydantic_ai import Agent, NativeOutput, PromptedOutput, UsageLimits
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from cases.answers import AnswerFacts
from cases.errors import UnusableAnswer
from cases.model_ports import Meter, OpeningReply, UnderstandingReply
from cases.records import canonical
from gateways.llm.requests import MeteredRequests
from gateways.llm.schema import Form, OpeningForm, kinds, understanding_form

F = TypeVar("F", bound=Form)

#: So often a model is told what is wrong with its answer, and asked again.
REPAIRS = 2


class Question(Generic[F]):
    """One thing that a model is asked: what it is told, and the form that it fills in."""

    def __init__(self, model: Model, told: str, form: type[F], most_tokens: int) -> None:
        schema = canonical(form.model_json_schema())
        self.prompt_hash = hashlib.sha256(told.encode() + schema).hexdigest()[:16]
        # As text in any case, with the schema enforced by the server where it can do that.
        knows_schemas = model.profile.get("supports_json_schema_output", False)
        self._agent = Agent(
            output_type=NativeOutput(form) if knows_schemas else PromptedOutput(form),
            instructions=told,
            model_settings=_settings(model, most_tokens),
            retries=REPAIRS,
        )

    async def ask(self, given: Any, requests: MeteredRequests) -> F | None:
        """The form as it was filled in; None where it still was not after the repairs."""
        limits = UsageLimits(request_limit=1 + REPAIRS)
        try:
            done = await self._agent.run(
                canonical(given).decode(), model=requests, usage_limits=limits
            )
        except AgentRunError:  # it would quote the answer
            return None
        return done.output


class PydanticAIModel:
    """Fits `cases.model_ports.MeteredModel`."""

    def __init__(
        self,
        name: str,
        model: Model,
        http: httpx2.AsyncClient,
        *,
        timeout_s: int,
        topics: Mapping[str, str],
    ) -> None:
        self.name = name
        self._model = model
        self._http = http
        self._timeout_s = timeout_s
        listed = "\n".join(f'  - "{topic}": {about}' for topic, about in topics.items())
        told = _prompt("understand.md").replace("{topics}", listed)
        self._understand = Question(model, told, understanding_form(topics), 400)
        self._opening = Question(model, _prompt("opening.md"), OpeningForm, 300)

    async def understand(self, messages: Sequence[str], meter: Meter) -> UnderstandingReply:
        """What the customer's messages need, taken together."""
        form, requests = await self._ask(self._understand, _numbered(messages), meter)
        return UnderstandingReply(
            understanding=form.understanding(),
            model=self.name,
            prompt_hash=self._understand.prompt_hash,
            input_tokens=requests.used.input_tokens,
            output_tokens=requests.used.output_tokens,
            micro_usd=requests.used.micro_usd,
        )

    async def pick_opening(
        self, messages: Sequence[str], facts: AnswerFacts, meter: Meter
    ) -> OpeningReply:
        """Which kind words fit before the facts, of which the model hears the kinds alone."""
        given = {"messages": _numbered(messages), "facts": kinds(facts)}
        form, requests = await self._ask(self._opening, given, meter)
        return OpeningReply(
            opening=form.opening,
            model=self.name,
            prompt_hash=self._opening.prompt_hash,
            input_tokens=requests.used.input_tokens,
            output_tokens=requests.used.output_tokens,
            micro_usd=requests.used.micro_usd,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(
        self, question: Question[F], given: Any, meter: Meter
    ) -> tuple[F, MeteredRequests]:
        requests = MeteredRequests(self._model, self.name, meter, self._timeout_s)
        form = await question.ask(given, requests)
        if form is None:
            raise UnusableAnswer(self.name, "it does not fit the form")
        return form, requests


def _settings(model: Model, most_tokens: int) -> ModelSettings:
    """As little chance as the model allows, and no thinking that would use up the tokens."""
    settings = ModelSettings(max_tokens=most_tokens, thinking=False, framing_announcement="never")
    # They take no temperature, and Pydantic AI would say so at each request.
    takes_none = ("thinking_always_enabled", "anthropic_disallows_sampling_settings")
    if not any(model.profile.get(name) for name in takes_none):
        settings["temperature"] = 0
    return settings


def _numbered(messages: Sequence[str]) -> list[dict[str, Any]]:
    return [{"number": at, "text": text} for at, text in enumerate(messages, 1)]


def _prompt(name: str) -> str:
    return files("gateways.llm").joinpath("prompts", name).read_text("utf-8")
