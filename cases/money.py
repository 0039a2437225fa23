"""Money: integer minor units and a currency. Never a float."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StrictInt, StringConstraints

from cases.errors import InvalidInput

#: ISO 4217 currencies whose minor unit is not a hundredth; all others have two decimals.
ZERO_DECIMALS = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
        *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])

#: The largest amount accepted, in minor units: fits a Postgres BIGINT with room for sums.
MAX_MINOR = 10**15

_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.([0-9]{1,6}))?")

Currency = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z]{3}$")
]


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit has: 0, 2 or 3."""
    if currency in ZERO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


class Money(BaseModel):
    """An amount in minor units (cents) of one currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_minor: StrictInt
    currency: Currency

    @classmethod
    def parse(cls, amount: str, currency: str) -> Self:
        """Read a plain decimal such as "49.99".

        Raises InvalidInput for words, thousands separators, exponents and excess decimals.
        """
        code = currency.strip()
        if not re.fullmatch(r"[A-Za-z]{3}", code):
            raise InvalidInput("currency", f"{currency!r} is not a three-letter code")
        code = code.upper()
        number = _PLAIN_NUMBER.fullmatch(amount.strip())
        if not number:
            raise InvalidInput("amount", f"{amount!r} is not a plain decimal number")
        # "1.000" may be a thousand to who wrote it: zeros in excess are refused as well.
        excess = len(number[1] or "") > exponent(code)
        minor = Decimal(number[0]).scaleb(exponent(code))
        if excess or abs(minor) > MAX_MINOR:
            raise InvalidInput("amount", f"{amount!r} has too many digits for {code}")
        return cls(amount_minor=int(minor), currency=code)

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount_minor=0, currency=currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor + self._same(other), currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount_minor=self.amount_minor - self._same(other), currency=self.currency)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"

    def decimal(self) -> str:
        """The amount as people write it, without the currency: "49.99"."""
        return f"{Decimal(self.amount_minor).scaleb(-exponent(self.currency)):f}"

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be combined")
        return other.amount_minor


def total(amounts: "list[Money] | tuple[Money, ...]") -> Money | None:
    """The sum, or None for no amounts. Raises ValueError for mixed currencies."""
    if not amounts:
        return None
    result = Money.zero(amounts[0].currency)
    for amount in amounts:
        result += amount
    return result
