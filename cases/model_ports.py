"""Language models as the core needs them; what they may answer, and how their calls are counted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from cases.answer_texts import Opening
from cases.answers import AnswerFacts
from cases.model_calls import Budget, CallEnd, ModelCall, Spent, Usage
from cases.records import Record
from cases.understanding import Understanding


class ModelReply(Record):
    """What every answer of a model carries for the audit."""

    model: str
    prompt_hash: str
    input_tokens: int = 0
    output_tokens: int = 0
    #: Millionths of a US dollar; 0 where it costs nothing, or nobody knows its price.
    micro_usd: int = 0
    #: Models that were to answer before this one and could not.
    instead_of: tuple[str, ...] = ()
    #: How it came to its answer, where it says so: goes into the agent's scratch and nowhere else.
    reasoning: str = ""

    def provenance(self) -> dict[str, str]:
        """For the audit row of the step that used the answer."""
        found = {
            "model": self.model,
            "prompt_hash": self.prompt_hash,
            "tokens": f"{self.input_tokens}+{self.output_tokens}",
            "micro_usd": str(self.micro_usd or ""),
            "instead_of": ", ".join(self.instead_of),
        }
        return {key: value for key, value in found.items() if value}


class UnderstandingReply(ModelReply):
    understanding: Understanding


class OpeningReply(ModelReply):
    opening: Opening


class LanguageModel(Protocol):
    """A model that understands. It never decides about money, and writes nothing to customers."""

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        """What the customer's messages need, taken together; there is at least one."""
        ...

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        """Which kind words fit before these facts, for who wrote these messages."""
        ...


class Meter(Protocol):
    """Counts what a model is asked for one step of a case."""

    async def begin(self, model: str, most: Spent) -> int:
        """Put a call on record before it is made; its number.

        Raises BudgetSpent, RateLimited after waiting some seconds for its turn, and
        ModelUnavailable while the model has a pause.
        """
        ...

    async def end(self, call: int, end: CallEnd, usage: Usage | None) -> None:
        """Put on record how the call ended; without usage it counts as the most it may cost."""
        ...

    async def failures(self, model: str) -> int:
        """How many calls of the model for this step were not answered."""
        ...

    async def pause(self, model: str, wait: timedelta) -> None:
        """The model said to come back after that time: no worker calls it before."""
        ...


class MeteredModel(Protocol):
    """A model that is paid by the call, or may be gone: it meters every call it makes.

    Its methods raise ModelUnavailable, ModelRefused and UnusableAnswer, and what the meter raises.
    """

    @property
    def name(self) -> str: ...

    async def understand(self, messages: Sequence[str], meter: Meter) -> UnderstandingReply: ...

    async def pick_opening(
        self, messages: Sequence[str], facts: AnswerFacts, meter: Meter
    ) -> OpeningReply: ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class ModelCalls(Protocol):
    """The record of all calls of models, and what is left to spend."""

    async def begin(self, call: ModelCall, case: Budget, customer: Budget) -> int:
        """Put a call on record before it is made; its number. Raises BudgetSpent, CaseNotFound."""
        ...

    async def end(self, number: int, end: CallEnd, usage: Usage | None) -> None:
        """Put on record how a call ended, and what it has cost; the most it may if None."""
        ...

    async def failures(self, case_id: str, branch: str, step: str, model: str) -> int:
        """How many calls of the model for that step were not answered."""
        ...
