"""Amounts of money as people write them, found by the type of the place that takes them."""

from decimal import Decimal
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel

from cases.edit_syntax import SHOWN_CHARS
from cases.errors import InvalidInput
from cases.money import Money
from cases.text import shorten


def with_amounts(value: Any, kind: Any, old: Any, path: str) -> Any:
    """The value with each amount of money as it is stored; raises InvalidInput.

    An amount may be written "40.00 USD"; or 40.00, which is of the currency that stood there.
    """
    for arm in arms(kind):
        if arm is Money and isinstance(value, str | int | Decimal):
            return _money(str(value), old, path)
        if get_origin(arm) is tuple and isinstance(value, list):
            return _items(cast("list[object]", value), item_type(arm), old, path)
        if isinstance(arm, type) and issubclass(arm, BaseModel) and isinstance(value, dict):
            return _fields(cast("dict[str, object]", value), arm, old, path)
    return value


def arms(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def item_type(kind: Any) -> Any:
    """The type of every item of a list; Any where they differ."""
    for arm in arms(kind):
        if get_origin(arm) is tuple and get_args(arm)[1:] == (...,):
            return get_args(arm)[0]
    return Any


def _items(items: list[object], kind: Any, old: Any, path: str) -> list[Any]:
    before = cast("tuple[object, ...]", old) if isinstance(old, tuple) else ()
    pairs = zip(items, [*before, *[None] * len(items)], strict=False)
    return [with_amounts(item, kind, then, path) for item, then in pairs]


def _fields(
    fields: dict[str, object], kind: type[BaseModel], old: Any, path: str
) -> dict[str, Any]:
    types = {key: field.annotation for key, field in kind.model_fields.items()}
    return {
        key: with_amounts(item, types.get(key), getattr(old, key, None), path)
        for key, item in fields.items()
    }


def _money(text: str, old: Any, path: str) -> dict[str, Any]:
    amount, _, currency = text.strip().partition(" ")
    if not currency and isinstance(old, Money):
        currency = old.currency
    if not currency or len(text) > SHOWN_CHARS:
        given = shorten(text, SHOWN_CHARS)
        raise InvalidInput(path, f'{given!r} is not an amount such as "40.00 USD"')
    try:
        return Money.parse(amount, currency).model_dump()
    except InvalidInput as error:
        raise InvalidInput(path, str(error).removeprefix(f"{error.field}: ")) from error
