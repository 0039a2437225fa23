"""How often something may be done: by a model's provider, for a customer."""

import re
from typing import Self

from pydantic import PositiveInt, model_validator

from cases.errors import InvalidInput
from cases.records import Record

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_RATE = re.compile("([1-9][0-9]{0,8})/(s|min|h|day)")


class Rate(Record):
    """So many in so many seconds: a burst of them at once, and each one back in its time.

    After a pause a whole burst may come again, so that one period can see `count` and `burst`
    together: whoever must never have more than `count` in any period sets a small burst.
    """

    count: PositiveInt
    per_s: PositiveInt
    #: How many may come at once; None for all of `count`.
    burst: PositiveInt | None = None

    @model_validator(mode="after")
    def _burst_within_count(self) -> Self:
        if self.at_once > self.count:
            raise ValueError("burst is more than count")
        return self

    @classmethod
    def parse(cls, text: str, field: str = "rate") -> Self:
        """Read "60/min"; raises InvalidInput that names the field."""
        found = _RATE.fullmatch(text)
        if not found:
            raise InvalidInput(
                field, f"{text[:40]!r} is not a rate such as 60/min (s, min, h, day)"
            )
        return cls(count=int(found[1]), per_s=_SECONDS[found[2]])

    @property
    def at_once(self) -> int:
        return self.burst or self.count

    @property
    def interval_us(self) -> int:
        """After so many microseconds one more may come; rounded up, never to more than `count`."""
        return -(-self.per_s * 1_000_000 // self.count)
