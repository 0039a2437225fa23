"""The adapter between a pretended model and a meter that notes what it is told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from cases.model_calls import CallEnd, Spent, Usage
from cases.model_ports import UnderstandingReply
from gateways.llm.configured import llm_model
from gateways.llm.model import PydanticAIModel
from tests.gateways.llm_server import Behaviour, ModelServer

KEY = "sk-canary-of-the-key"
NAME = "openai:gpt-4o-mini"
TOPICS = {"billing": "charges and refunds", "account": "logging in"}


@dataclass
class NotingMeter:
    """Fits `cases.model_ports.Meter`; `refuses` is raised instead of counting a call."""

    begun: list[tuple[str, Spent]] = field(default_factory=list[tuple[str, Spent]])
    ended: dict[int, tuple[CallEnd, Usage | None]] = field(
        default_factory=dict[int, tuple[CallEnd, Usage | None]]
    )
    refuses: Exception | None = None
    pauses: list[tuple[str, timedelta]] = field(default_factory=list[tuple[str, timedelta]])

    async def begin(self, model: str, most: Spent) -> int:
        if self.refuses:
            raise self.refuses
        self.begun.append((model, most))
        return len(self.begun) - 1

    async def end(self, call: int, end: CallEnd, usage: Usage | None) -> None:
        assert call not in self.ended
        self.ended[call] = (end, usage)

    async def pause(self, model: str, wait: timedelta) -> None:
        self.pauses.append((model, wait))

    async def failures(self, model: str) -> int:
        del model
        return sum(end is CallEnd.UNAVAILABLE for end, _ in self.ended.values())


@dataclass
class Played:
    server: ModelServer
    model: PydanticAIModel
    meter: NotingMeter = field(default_factory=NotingMeter)

    def begin(self, *script: Behaviour, always: Behaviour | None = None) -> None:
        """From now on it behaves so, request after request; then as always, which is well."""
        self.server.script[:] = script
        self.server.otherwise = always
        self.server.requests.clear()
        self.meter = NotingMeter()

    async def understand(self, *messages: str) -> UnderstandingReply:
        return await self.model.understand(messages or ("I was charged twice.",), self.meter)

    @property
    def ends(self) -> list[CallEnd]:
        """How the calls ended: every request was one call, and none is left open."""
        calls = range(len(self.meter.begun))
        assert len(self.server.requests) == len(calls)
        assert sorted(self.meter.ended) == list(calls)
        return [self.meter.ended[call][0] for call in calls]

    @property
    def usages(self) -> list[Usage | None]:
        return [self.meter.ended[call][1] for call in range(len(self.meter.begun))]


@asynccontextmanager
async def play(*script: Behaviour, name: str = NAME, timeout_s: int = 20) -> AsyncGenerator[Played]:
    """A model that behaves so, request after request, and then well."""
    async with ModelServer.run() as server:
        server.script.extend(script)
        model = llm_model(
            name, base_url=server.url, api_key=KEY, timeout_s=timeout_s, topics=TOPICS
        )
        try:
            yield Played(server, model)
        finally:
            await model.aclose()
