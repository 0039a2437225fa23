"""The refund policy as people write it: a TOML file with amounts as decimal strings."""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.config import JsonDict

from cases.currencies import CURRENCIES
from cases.errors import InvalidInput
from cases.money import Money
from cases.records import Record
from cases.text import shorten

#: A hundred years, and more versions than anyone writes: what Postgres can count with.
MAX_DAYS = 36_500
MAX_VERSION = 10**9

_EXAMPLE = 'such as USD = "500.00"'
#: What is wrong in itself is named before what is missing, and that before what is too much.
_LAST = {"missing": 1, "extra_forbidden": 2}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: What Money reads: "500", "500.00"; no sign, no separators.
_AMOUNT = r"^[0-9]{1,18}(\.[0-9]{1,6})?$"


def _known(code: str) -> str:
    if code.upper() not in CURRENCIES:
        raise ValueError("is not a currency code of ISO 4217")
    if code != code.upper():
        raise ValueError(f"is written {code.upper()}")
    return code


def _table(value: object) -> object:
    if isinstance(value, dict):
        return cast("dict[object, object]", value)
    raise ValueError(f"needs a table {_EXAMPLE}")


def _decimal_string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f'{shorten(repr(value), 40)} is not a decimal string such as "500.00"')


CurrencyCode = Annotated[str, AfterValidator(_known)]
DecimalString = Annotated[
    str, BeforeValidator(_decimal_string), WithJsonSchema({"type": "string", "pattern": _AMOUNT})
]
#: What the JSON schema says of a table's keys.
_CODES: JsonDict = {"propertyNames": {"enum": [*sorted(CURRENCIES)]}}


class PolicyFile(Record):
    """A refund policy: by which numbers refunds are paid at once, or asked of people."""

    model_config = ConfigDict(title="Refund policy")

    version: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_VERSION),
        Field(description="Every decision records it: raise it with every change."),
    ]
    limit_days: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_DAYS),
        Field(description="Refunds of a customer within so many days count towards the limit."),
    ]
    limits: Annotated[
        dict[CurrencyCode, DecimalString],
        Field(min_length=1),
        BeforeValidator(_table),
        Field(
            json_schema_extra=_CODES,
            description="By currency, the largest sum refunded without a person. A currency "
            "that is not here needs a person.",
        ),
    ]
    second_limits: Annotated[
        dict[CurrencyCode, DecimalString],
        BeforeValidator(_table),
        Field(
            json_schema_extra=_CODES,
            description="Above these sums two different people must approve: none below its "
            "limit, and for every currency of the limits or for none.",
        ),
    ] = Field(default_factory=dict[str, str])

    @classmethod
    def from_toml(cls, text: str) -> "PolicyFile":
        """Read a policy file; raises InvalidInput that names the field."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except ValidationError as error:
            first = min(error.errors(), key=lambda one: _LAST.get(one["type"], 0))
            raise InvalidInput(_path(first["loc"]), _problem(first)) from error
        except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or too big to read
            raise InvalidInput("policy", f"is not TOML: {error}") from error


def in_minor(table: str, limits: Mapping[str, str]) -> dict[str, int]:
    """The sums of a table in minor units; raises InvalidInput that names the currency."""
    return {code: _in_minor(f"{table}.{code}", code, text) for code, text in limits.items()}


def _in_minor(field: str, code: str, text: str) -> int:
    try:
        limit = Money.parse(text, code)
    except InvalidInput as error:
        raise InvalidInput(field, str(error)) from error
    if limit.amount_minor < 0:
        raise InvalidInput(field, f"{text!r} is below zero")
    return limit.amount_minor


def _path(place: tuple[int | str, ...]) -> str:
    """Where the problem is, as TOML writes it; pydantic adds a word where a key is wrong."""
    keys = place[:-1] if place[-1] == "[key]" else place
    return ".".join(key if _BARE_KEY.fullmatch(key) else _quoted(key) for key in map(str, keys))


def _quoted(key: str) -> str:
    return ascii(shorten(key, 40))


def _problem(error: Any) -> str:
    """In our words where pydantic speaks of its own kinds."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    words = {
        "missing": "is missing",
        "extra_forbidden": "is no field of a policy",
        "too_short": f"needs a table {_EXAMPLE}",
    }
    return words.get(error["type"]) or str(error["msg"])
