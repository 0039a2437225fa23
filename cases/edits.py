"""Edits: what is to be otherwise on a branch, as a person writes it.

A path is what `casekeeper diff` prints: `policy.decision`, `billing.orders[0].amount`, `x["a.b"]`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NoReturn, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from cases.edit_rules import consistent, without_request
from cases.edit_syntax import SHOWN_CHARS, RefusedJson, Step, read_path, read_value
from cases.edit_values import arms, item_type, with_amounts
from cases.errors import InvalidInput, UnknownSection
from cases.sections import Section, is_scratch, section_type
from cases.state import CaseState
from cases.text import clean_text, shorten

#: The customer's first message, as if it were a section.
_REQUEST = ("request", "text")
_FORM = "schema_version"
_PROBLEM_CHARS = 200
_NOT_UNICODE = "holds text that is not valid Unicode"


@dataclass(frozen=True)
class Edit:
    """One value that is to be otherwise: `steps` lead to it, from the section's name on."""

    path: str
    steps: tuple[Step, ...]
    #: As JSON has it, but for fractions: they are Decimal.
    value: Any
    #: As it was typed, for places that hold text; None for what a file says.
    text: str | None = None

    @property
    def section(self) -> str:
        return str(self.steps[0])

    @property
    def keys(self) -> frozenset[str]:
        """Which keys of its section it sets."""
        return frozenset(map(str, self.steps[1:2] or self.value))

    def refuse(self, problem: str) -> NoReturn:
        """Raise InvalidInput that names the path."""
        raise InvalidInput(self.path, problem)


def parse_edit(text: str) -> Edit:
    """Read `path=value`: a value that is JSON as that, any other as text; raises InvalidInput."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals:
        given = shorten(text, SHOWN_CHARS)
        raise InvalidInput("--set", f"{given!r} is not of the form section.key=value")
    steps = _steps("--set", path)
    try:
        read = read_value(value)
    except RefusedJson as error:
        raise InvalidInput(path, f"{error} (in quotes it is text)") from error
    except ValueError:
        read = value
    return Edit(path, steps, read, text=value)


def parse_edit_file(text: str) -> list[Edit]:
    """Read one JSON object of paths and values; raises InvalidInput."""
    try:
        read = read_value(text)
    except ValueError as error:
        raise InvalidInput("--set-file", f"cannot be used: {error}") from error
    if not isinstance(read, dict):
        example = '{"policy.decision": "no_action"}'
        raise InvalidInput("--set-file", f"is not one JSON object such as {example}")
    found = cast("dict[str, Any]", read)
    return [Edit(path, _steps("--set-file", path), value) for path, value in found.items()]


def apply_edits(state: CaseState, edits: Sequence[Edit]) -> dict[str, Section]:
    """The sections that are otherwise, each valid by its type; raises InvalidInput.

    What must follow from an edit comes with it (`cases.edit_rules.consistent`), and a request to
    a person is void where the edited policy does not need it any more.
    """
    _check_overlaps(edits)
    changed: dict[str, Section] = {}
    for name in dict.fromkeys(edit.section for edit in edits if edit.steps != _REQUEST):
        mine = [edit for edit in edits if edit.section == name]
        old = new = _section(state, mine[0])
        for edit in mine:
            new = _edited(new, edit)
        changed[name] = consistent(old, new, frozenset[str]().union(*(e.keys for e in mine)))
    void = without_request(state, changed)
    if void:
        changed[void.name] = void
    return {name: new for name, new in changed.items() if new != state.sections[name]}


def edited_request(state: CaseState, edits: Sequence[Edit]) -> str | None:
    """What the customer's first message is to be, by `request.text`; None where it stays."""
    edit = next((edit for edit in edits if edit.steps == _REQUEST), None)
    if edit is None:
        return None
    if state.request is None:
        edit.refuse(f"{state.checkpoint_id} does not hold the first message any more")
    value = edit.value if isinstance(edit.value, str) else edit.text
    return edit.refuse("is not text") if value is None else clean_text(value, edit.path)


def _steps(field: str, path: str) -> tuple[Step, ...]:
    steps = read_path(field, path)
    if steps[0] == _REQUEST[0] and steps != _REQUEST:
        raise InvalidInput(path, "only the text of the request can be edited: request.text")
    return steps


def _check_overlaps(edits: Sequence[Edit]) -> None:
    """Raise InvalidInput for an edit that would undo one before it."""
    for place, edit in enumerate(edits):
        for earlier in edits[:place]:
            if earlier.steps == edit.steps:
                edit.refuse("is set twice")
            if earlier.steps[: len(edit.steps)] == edit.steps:
                edit.refuse(f"would undo {earlier.path}: set it first")


def _section(state: CaseState, edit: Edit) -> Section:
    """The section that is to be edited; raises InvalidInput where it cannot be."""
    public = [name for name in state.sections if not is_scratch(name)]
    there = f"{state.checkpoint_id} has {', '.join(public) or 'no sections yet'}"
    try:
        kind = section_type(edit.section)
    except UnknownSection:
        edit.refuse(f"there is no section {shorten(edit.section, SHOWN_CHARS)!r}: {there}")
    if is_scratch(edit.section):
        edit.refuse("is an agent's private note")
    if edit.section == "refund":
        edit.refuse("says what was paid: edit policy or billing, at a checkpoint before it")
    return state.get(kind) or edit.refuse(f"{edit.section} is not written yet: {there}")


def _edited(section: Section, edit: Edit) -> Section:
    """The section with the edit's value in its place, as the record would give it back."""
    kind = type(section)
    body = _changed(section, kind, edit, edit.steps[1:])
    text = json.dumps(body, default=lambda _: edit.refuse("only money takes a fraction"))
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        edit.refuse(_problem(error))


def _changed(old: object, kind: Any, edit: Edit, steps: Sequence[Step]) -> Any:
    """What is stored in a place of that type, once the edit's value is where the steps lead."""
    if not steps:
        return _fitting(old, kind, edit)
    step, rest = steps[0], steps[1:]
    match old:
        case BaseModel():
            below = _types(old, [step], edit)[str(step)]
            new = _changed(getattr(old, str(step)), below, edit, rest)
            return {**old.model_dump(mode="json"), str(step): new}
        case tuple() | list():
            items = cast("Sequence[object]", old)
            if not isinstance(step, int) or step >= len(items):
                edit.refuse(f"[{step}] is none of the {len(items)} items, counted from [0]")
            new = _changed(items[step], item_type(kind), edit, rest)
            return [*_stored(items[:step]), new, *_stored(items[step + 1 :])]
        case Mapping():
            found = cast("Mapping[Step, object]", old)
            if rest and step not in found:
                edit.refuse(_no_key(step, map(str, found)))
            return {**_stored(found), str(step): _changed(found.get(step), Any, edit, rest)}
        case _:
            return edit.refuse(f"holds nothing below which {str(step)[:SHOWN_CHARS]!r} could be")


def _types(old: BaseModel, keys: Iterable[Step], edit: Edit) -> dict[str, Any]:
    """The types of those keys of a record; raises InvalidInput for one that it does not have."""
    known: dict[Step, Any] = dict.fromkeys(old.model_extra or (), Any)
    known |= {name: field.annotation for name, field in type(old).model_fields.items()}
    if isinstance(old, Section):
        del known[_FORM]
    for key in keys:
        if key not in known:
            edit.refuse(_no_key(key, map(str, known)))
    return {str(key): known[key] for key in keys}


def _fitting(old: object, kind: Any, edit: Edit) -> Any:
    """The edit's value as a place of that type stores it; raises InvalidInput if it does not."""
    if isinstance(old, Section):
        return _whole(old, edit)
    value = with_amounts(edit.value, kind, old, edit.path)
    if isinstance(value, int | Decimal) and edit.text is not None and str in arms(kind):
        return edit.text
    try:
        # Strict, as 1 is not true and "1" is not 1; a section as a whole is read less strictly.
        TypeAdapter[Any](kind).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        edit.refuse(_problem(error))
    return value


def _whole(old: Section, edit: Edit) -> Any:
    """A whole section in its stored form: keys that it does not name have their defaults."""
    value: Any = edit.value
    if not isinstance(value, dict):
        edit.refuse(f"is a whole section: name a key of it, such as {old.name}.status")
    given = cast("dict[str, Any]", value)
    if given.get(_FORM, old.schema_version) != old.schema_version:
        edit.refuse(f"{_FORM} {old.schema_version} is the only one that can be edited")
    types = _types(old, given.keys() - {_FORM}, edit)
    inner = {key: replace(edit, value=given[key]) for key in types}
    fitting = {key: _fitting(getattr(old, key), types[key], inner[key]) for key in types}
    return {_FORM: old.schema_version, **fitting}


def _stored(value: Any) -> Any:
    return to_jsonable_python(value)


def _no_key(key: object, known: Iterable[str]) -> str:
    names = shorten(", ".join(known), _PROBLEM_CHARS)
    return f"there is no {str(key)[:SHOWN_CHARS]!r}, only {names or 'nothing'}"


def _problem(error: ValidationError) -> str:
    """What a schema says, without the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":  # what we write is JSON, but for lone surrogates
        return _NOT_UNICODE
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Input ")
    return shorten(f"{where}: {message}" if where else message, _PROBLEM_CHARS)
