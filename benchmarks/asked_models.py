"""The model that is measured: the offline one, or a real one without budgets."""

from collections.abc import Sequence
from datetime import timedelta

from cases.answers import AnswerFacts
from cases.errors import NoAnswer
from cases.model_calls import CallEnd, Spent, Usage
from cases.model_ports import LanguageModel, MeteredModel, OpeningReply, UnderstandingReply
from cases.understanding import Understanding
from gateways.offline.model import OfflineModel
from runtime.settings import Settings
from workers.models import configured_models


def asked_model(name: str) -> LanguageModel:
    """The model of that name, as the settings say where it is; raises InvalidInput."""
    settings = Settings().model_copy(update={"model": name, "model_fallback": ""})
    [*paid] = configured_models(settings)
    return Unlimited(paid[0]) if paid else OfflineModel()


class Unlimited:
    """Fits `cases.model_ports.LanguageModel`: a real model that may cost what it does."""

    def __init__(self, model: MeteredModel) -> None:
        self._model = model

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        """What the model says; nothing where it gives no answer, for then a person looks."""
        try:
            return await self._model.understand(messages, _NoMeter())
        except NoAnswer as error:
            return UnderstandingReply(
                model=self._model.name,
                prompt_hash="",
                reasoning=str(error),
                understanding=Understanding(needs=frozenset(), sure=False),
            )

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        return await self._model.pick_opening(messages, facts, _NoMeter())

    async def aclose(self) -> None:
        """Close its connections."""
        await self._model.aclose()


class _NoMeter:
    """Fits `cases.model_ports.Meter` and counts nothing."""

    async def begin(self, model: str, most: Spent) -> int:
        del model, most
        return 0

    async def end(self, call: int, end: CallEnd, usage: Usage | None) -> None:
        del call, end, usage

    async def failures(self, model: str) -> int:
        del model
        return 0

    async def pause(self, model: str, wait: timedelta) -> None:
        del model, wait
