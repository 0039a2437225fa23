"""The models in the order in which they are asked: the next one where one does not answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from activities.metering import ModelLimits, StepMeter
from activities.steps import CaseRef
from cases.answers import AnswerFacts
from cases.errors import ModelUnavailable
from cases.model_ports import (
    LanguageModel,
    Meter,
    MeteredModel,
    ModelReply,
    OpeningReply,
    UnderstandingReply,
)

R = TypeVar("R", bound=ModelReply)

#: So many unanswered calls for one step, and the next model is asked. Two models and their tries
#: stay below a case's budget of calls, and the attempts of an agent are enough for them.
MOST_FAILURES = 3
#: Who is told to come back later than this asks the next model at once.
LONGEST_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True)
class PaidModels:
    """The models that are paid by the call, in the order in which they are asked."""

    models: Sequence[MeteredModel]
    limits: ModelLimits

    def before(self, last: LanguageModel, ref: CaseRef, step: str) -> "ModelChain":
        """The model for one step of a case: these, and after them the one that always answers."""
        return ModelChain(self.models, last, StepMeter(self.limits, ref, step))


class ModelChain:
    """Fits `cases.model_ports.LanguageModel`, for one step of a case.

    A model that does not answer is asked again by Temporal's retry of the activity. After its last
    try the next one is asked at once; the last of all needs no server and always answers.
    """

    def __init__(self, models: Sequence[MeteredModel], last: LanguageModel, meter: Meter) -> None:
        self._models = models
        self._last = last
        self._meter = meter

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        return await self._ask(
            lambda model: model.understand(messages, self._meter),
            lambda: self._last.understand(messages),
        )

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        return await self._ask(
            lambda model: model.pick_opening(messages, facts, self._meter),
            lambda: self._last.pick_opening(messages, facts),
        )

    async def _ask(
        self, ask: Callable[[MeteredModel], Awaitable[R]], ask_last: Callable[[], Awaitable[R]]
    ) -> R:
        silent: list[str] = []
        for model in self._models:
            if await self._has_tries_left(model):
                try:
                    return _instead_of(silent, await ask(model))
                except ModelUnavailable as error:
                    if _soon(error) and await self._has_tries_left(model):
                        raise
            silent.append(model.name)
        return _instead_of(silent, await ask_last())

    async def _has_tries_left(self, model: MeteredModel) -> bool:
        return await self._meter.failures(model.name) < MOST_FAILURES


def _soon(error: ModelUnavailable) -> bool:
    return error.retry_after is None or error.retry_after <= LONGEST_PAUSE


def _instead_of(silent: Sequence[str], reply: R) -> R:
    return reply.model_copy(update={"instead_of": tuple(silent)}) if silent else reply
