"""What differs between two states of a case, leaf by leaf."""

import json
from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import JsonValue

from cases.records import Record
from cases.state import CaseState

#: What names a checkpoint is not in it: two checkpoints always differ in these.
_PLACE = {"branch", "version", "section_versions"}
_LISTED_APART = {"messages", "sections"}

_Object = Mapping[str, JsonValue]


class Change(Record):
    """One place where two states differ; null stands for what is not there."""

    path: str
    before: JsonValue
    after: JsonValue


def diff(before: CaseState, after: CaseState) -> tuple[Change, ...]:
    """The changes from one state to the other: of the case, its messages, its sections by name.

    An agent's scratch is private and left out.
    """
    return (
        *_of_objects("", _case(before), _case(after)),
        *_of_messages(before, after),
        *_of_objects("", _sections(before), _sections(after)),
    )


def _case(state: CaseState) -> _Object:
    return state.model_dump(mode="json", exclude=_PLACE | _LISTED_APART)


def _sections(state: CaseState) -> _Object:
    public = state.seen_by("").sections
    return {name: body.model_dump(mode="json") for name, body in public.items()}


def _of_messages(before: CaseState, after: CaseState) -> Iterator[Change]:
    """By their place in the whole talk. One that was pruned from a state is no change of it."""
    said = [_by_place(state) for state in (before, after)]
    first = max(before.messages_pruned, after.messages_pruned)
    for place in sorted({place for state in said for place in state if place >= first}):
        yield from _of_values(f"messages[{place}]", *(state.get(place) for state in said))


def _by_place(state: CaseState) -> Mapping[int, JsonValue]:
    messages = [message.model_dump(mode="json") for message in state.messages]
    return dict(enumerate(messages, state.messages_pruned))


def _of_values(path: str, before: JsonValue, after: JsonValue) -> Iterator[Change]:
    if _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(path, before, after)
    else:
        yield Change(path=path, before=before, after=after)


def _of_objects(path: str, before: _Object, after: _Object) -> Iterator[Change]:
    """Key by key, in the order of the keys; of an object that only one of them has, its leaves."""
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is None and _holds_something(new):
            old = cast("JsonValue", {})
        elif new is None and _holds_something(old):
            new = cast("JsonValue", {})
        yield from _of_values(_below(path, key), old, new)


def _holds_something(value: JsonValue) -> bool:
    """Whether it is an object, and its leaves say so."""
    return isinstance(value, dict) and any(item is not None for item in value.values())


def _of_lists(path: str, before: list[JsonValue], after: list[JsonValue]) -> Iterator[Change]:
    """Item by item where the lists are of one length or one only goes on; else as a whole."""
    shorter = min(len(before), len(after))
    goes_on = _same(before[:shorter], after[:shorter])
    rest = before[shorter:] + after[shorter:]
    if rest and (not goes_on or None in rest):
        yield Change(path=path, before=before, after=after)
        return
    for place in range(max(len(before), len(after))):
        old = before[place] if place < len(before) else None
        new = after[place] if place < len(after) else None
        yield from _of_values(f"{path}[{place}]", old, new)


def _same(before: JsonValue, after: JsonValue) -> bool:
    """Whether they are written alike: 1, 1.0 and true are three values."""
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _below(path: str, key: str) -> str:
    """The path of a key; one that could be read as a path is quoted."""
    if "." in key or "[" in key:
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
