"""What a language model may be asked for a case, and what its calls have cost."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from cases.errors import InvalidInput
from cases.records import Record

_BUDGET = re.compile(
    r"([0-9]{1,9}) calls?, ([0-9]{1,9}) tokens?, ([0-9]{1,6}) s, ([0-9]{1,6}(?:\.[0-9]{1,6})?) USD"
)
_MILLION = 1_000_000

Count = Annotated[int, Field(ge=0)]


class CallEnd(StrEnum):
    """How a call of a model ended."""

    ANSWERED = "answered"
    #: No answer, or "later": the same call may succeed another time.
    UNAVAILABLE = "unavailable"
    #: The provider will not answer this, however often it is asked.
    REFUSED = "refused"
    #: An answer that is too large, or none at all.
    UNUSABLE = "unusable"


class Spent(Record):
    """What calls have cost, or what one may cost at most."""

    calls: Count = 1
    tokens: Count = 0
    milliseconds: Count = 0
    #: Millionths of a US dollar; 0 where nobody knows the model's price.
    micro_usd: Count = 0


class Usage(Record):
    """What one call has used, by the provider's own count."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    milliseconds: Count = 0
    micro_usd: Count = 0


class Budget(Record):
    """The most that may be spent."""

    calls: Count
    tokens: Count
    seconds: Count
    micro_usd: Count

    @classmethod
    def parse(cls, text: str, field: str = "budget") -> Self:
        """Read "8 calls, 60000 tokens, 120 s, 0.50 USD"; raises InvalidInput naming the field."""
        found = _BUDGET.fullmatch(text)
        if not found:
            example = "8 calls, 60000 tokens, 120 s, 0.50 USD"
            raise InvalidInput(field, f"{text[:60]!r} is not a budget such as {example!r}")
        calls, tokens, seconds, usd = found.groups()
        micro = int(Decimal(usd) * _MILLION)
        return cls(calls=int(calls), tokens=int(tokens), seconds=int(seconds), micro_usd=micro)

    def as_spent(self) -> Spent:
        """The same as what may be spent at most."""
        return Spent(
            calls=self.calls,
            tokens=self.tokens,
            milliseconds=self.seconds * 1000,
            micro_usd=self.micro_usd,
        )


#: For one case, with all its retries and follow-ups (FAILURES, 1e).
CASE_BUDGET = Budget(calls=8, tokens=60_000, seconds=120, micro_usd=_MILLION // 2)
#: For one customer in 24 hours, over all cases and branches: ten cases that use up theirs.
CUSTOMER_BUDGET = Budget(calls=80, tokens=600_000, seconds=1200, micro_usd=5 * _MILLION)


class ModelCall(Record):
    """A call that is about to be made."""

    case_id: str
    branch: str
    #: The step of the case that needs it: what is asked for one step is counted together too.
    step: str
    model: str
    #: What it may cost at most; it counts as spent until the call has ended.
    most: Spent
