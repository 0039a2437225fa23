"""A model that all workers share politely: at most so many calls, over all and for a customer."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from cases.answers import AnswerFacts
from cases.errors import RateLimited
from cases.ports import AnswerReply, LanguageModel, RateLimits, UnderstandingReply
from cases.rates import Rate

#: How long a call waits for its turn inside its activity; above that Temporal tries it later.
LONGEST_WAIT = timedelta(seconds=20)


class LimitedModel:
    """Fits `cases.ports.LanguageModel`: every call waits for its turn, or raises RateLimited."""

    def __init__(self, model: LanguageModel, limits: RateLimits, rates: Mapping[str, Rate]) -> None:
        self._model = model
        self._limits = limits
        self._rates = rates

    async def understand(self, text: str) -> UnderstandingReply:
        await self._turn()
        return await self._model.understand(text)

    async def write_answer(self, facts: AnswerFacts) -> AnswerReply:
        await self._turn()
        return await self._model.write_answer(facts)

    async def _turn(self) -> None:
        left = LONGEST_WAIT
        while wait := await self._limits.take(self._rates):
            if wait > left:
                raise RateLimited(wait)
            left -= wait
            await asyncio.sleep(wait.total_seconds())
