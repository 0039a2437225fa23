"""How edits are written: paths as `casekeeper diff` prints them, and values as JSON."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn, cast

from cases.errors import InvalidInput
from cases.text import shorten

#: What a person is told of a value that is refused: no more of it.
SHOWN_CHARS = 40

_STEP = re.compile(r'\[([0-9]{1,6})\]|\[("(?:[^"\\]|\\.)*")\]|(?:^|\.)([^.\[\]"]+)')
_MAX_PATH_CHARS = 200
_MAX_DEPTH = 64
#: Far more than any amount has; and no short text becomes a number that fills the memory.
_MAX_DIGITS = 18

Step = str | int


class RefusedJson(ValueError):
    """It is JSON, and says something that no section takes."""


def read_path(field: str, path: str) -> tuple[Step, ...]:
    """The keys and indexes that a path leads through; raises InvalidInput."""
    steps: list[Step] = []
    end = 0
    while len(path) <= _MAX_PATH_CHARS and path.isprintable() and (m := _STEP.match(path, end)):
        index, quoted, key = m.groups()
        steps.append(int(index) if index else _unquoted(quoted) if quoted else key)
        end = m.end()
    if not steps or end < len(path) or not isinstance(steps[0], str):
        given = shorten(path, SHOWN_CHARS)
        raise InvalidInput(field, f"{given!r} is not a path such as policy.decision")
    return tuple(steps)


def read_value(text: str) -> Any:
    """The value that a JSON text stands for, with fractions as Decimal.

    Raises ValueError, and RefusedJson where it is JSON.
    """
    try:
        value = json.loads(
            text,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise RefusedJson("it is nested too deeply") from error
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [inner for item in level for inner in _inside(item)]:
        depth += 1
        if depth > _MAX_DEPTH:
            raise RefusedJson("it is nested too deeply")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > _MAX_DIGITS:
        raise RefusedJson(f"a number has more than {_MAX_DIGITS} digits")
    return int(digits)


def _fraction(digits: str) -> Decimal:
    if len(digits) > _MAX_DIGITS or "e" in digits.lower():
        raise RefusedJson("a number has an exponent, or too many digits")
    return Decimal(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RefusedJson(f"{shorten(twice, SHOWN_CHARS)!r} stands in one object twice")
    return found


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:  # such as a backslash that begins no escape
        return quoted
