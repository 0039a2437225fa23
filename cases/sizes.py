"""How big a case may be, and what is done with what is bigger: measured, cut, packed, archived.

All sizes are of the encoded bytes that are stored and sent. This module imports nothing of the
case's state, so that sections and states can use it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Protocol, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from cases.errors import DamagedBody, InvalidInput
from cases.records import Record

#: A state above this is reported with its largest sections (requirement: warn at 1 MB).
WARN_BYTES = 1_000_000
#: A body is compressed from here on (requirement: 500 kB). Smaller ones cost more time than room.
COMPRESS_BYTES = 500_000
#: So many messages stay in the state, and the count of the others (requirement: the last 50).
KEPT_MESSAGES = 50
#: So much of a long text stays in its section (requirement: reasoning is cut at 2,000 characters).
REASONING_CHARS = 2_000
#: A section above this is refused: some twenty times the largest one that a case should have, and
#: far below what a statement with several of them may hold (1 GB in Postgres).
SECTION_LIMIT_BYTES = 8_000_000
#: A larger section does not travel through Temporal's history, which holds 50 MB per run and warns
#: at payloads of 256 KiB: it is reported by reference.
REPORT_BYTES = 64 * 1024

PLAIN, ZLIB = "plain", "zlib"
#: zlib's fastest level: on JSON a tenth larger than the usual level 6, in less than half its time.
_LEVEL = 1

_NOT_UNICODE = "holds text that is not valid Unicode"

T = TypeVar("T")


class Size(Record):
    """How many bytes one part of a state has."""

    name: str
    bytes: int


class Archived(Record):
    """A long text that is stored outside of its section: its digest finds it."""

    #: SHA-256, in hex, of the whole text's UTF-8.
    digest: str
    bytes: int
    #: The first REASONING_CHARS characters.
    start: str


#: A text that may be long: a section's field of this type leaves the section when it is.
LongText = str | Archived


class ArchivedText(Record):
    """A whole text on its way to the archive."""

    digest: str
    text: str


class _HasSections(Protocol):
    """A state, or a step's update."""

    @property
    def sections(self) -> Mapping[str, Record]: ...
    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self: ...


class _State(_HasSections, Protocol):
    @property
    def messages(self) -> Sequence[BaseModel]: ...


Update = TypeVar("Update", bound=_HasSections)


def encoded_size(name: str, body: BaseModel) -> int:
    """The bytes of its JSON, as stored; raises InvalidInput for what is not valid Unicode."""
    try:
        return len(body.model_dump_json().encode())
    except PydanticSerializationError as error:
        raise InvalidInput(name, _NOT_UNICODE) from error


def measure(state: _State) -> tuple[Size, ...]:
    """The size of every section and of all messages, largest first."""
    sizes = [
        Size(name=name, bytes=encoded_size(name, body)) for name, body in state.sections.items()
    ]
    said = sum(encoded_size("messages", message) for message in state.messages)
    sizes.append(Size(name="messages", bytes=said))
    return tuple(sorted(sizes, key=lambda size: (-size.bytes, size.name)))


def total(sizes: Sequence[Size]) -> int:
    """The bytes of all of them."""
    return sum(size.bytes for size in sizes)


def kept(messages: tuple[T, ...]) -> tuple[tuple[T, ...], int]:
    """The newest KEPT_MESSAGES, and how many older ones were left out."""
    return messages[-KEPT_MESSAGES:], max(0, len(messages) - KEPT_MESSAGES)


def shown(text: LongText) -> str:
    """The text, or the start of an archived one with an ellipsis."""
    return text if isinstance(text, str) else f"{text.start}…"


def archive_long(update: Update) -> tuple[Update, tuple[ArchivedText, ...]]:
    """The update with its long texts replaced by references, and those texts.

    Only fields of the type LongText are cut: what decides about money stays whole.
    Raises InvalidInput for a text that is not valid Unicode.
    """
    texts: dict[str, ArchivedText] = {}
    sections = {name: _cut(name, body, texts) for name, body in update.sections.items()}
    return update.model_copy(update={"sections": sections}), tuple(texts.values())


def within_limit(name: str, body: bytes) -> bytes:
    """The encoded section; raises InvalidInput if it has more than SECTION_LIMIT_BYTES."""
    if len(body) > SECTION_LIMIT_BYTES:
        limit = f"{SECTION_LIMIT_BYTES:,}"
        raise InvalidInput(name, f"has {len(body):,} bytes, more than the {limit} allowed")
    return body


def pack(body: bytes) -> tuple[str, bytes]:
    """The encoding's name and the body in it: compressed when it is large and that helps."""
    if len(body) >= COMPRESS_BYTES:
        packed = zlib.compress(body, _LEVEL)
        if len(packed) < len(body):
            return ZLIB, packed
    return PLAIN, body


def unpack(encoding: str, body: bytes, expected_bytes: int | None = None) -> bytes:
    """The body as it was packed; raises DamagedBody.

    What is compressed never makes more than was expected, or than a section may have.
    """
    if encoding == PLAIN:
        found = body
    elif encoding == ZLIB:
        found = _inflated(body, SECTION_LIMIT_BYTES if expected_bytes is None else expected_bytes)
    else:
        raise DamagedBody(f"A body is packed as {encoding[:20]!r}, which is not known here.")
    if expected_bytes is not None and len(found) != expected_bytes:
        raise DamagedBody(f"A body has {len(found):,} bytes, and {expected_bytes:,} were packed.")
    return found


def unpack_text(digest: str, encoding: str, body: bytes, *, expected_bytes: int) -> str:
    """A text of the archive; raises DamagedBody unless it is the one that the digest names."""
    text = unpack(encoding, body, expected_bytes=expected_bytes)
    if hashlib.sha256(text).hexdigest() != digest:
        raise DamagedBody(f"The archived text {digest[:12]} is not what was put there.")
    return text.decode()


def _inflated(body: bytes, most: int) -> bytes:
    """What was compressed; stops one byte after the most that it may be."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(body, max(0, most) + 1)
    except zlib.error as error:
        raise DamagedBody("A compressed body is damaged.") from error
    if len(found) > most or not stream.eof or stream.unused_data:
        raise DamagedBody(f"A compressed body does not end within {most:,} bytes.")
    return found


def _cut(name: str, section: Record, texts: dict[str, ArchivedText]) -> Record:
    """The section with its long texts by reference."""
    try:
        return _shortened(section, texts)
    except UnicodeEncodeError as error:
        raise InvalidInput(name, _NOT_UNICODE) from error


def _shortened(record: Record, texts: dict[str, ArchivedText]) -> Record:
    """The record with its long texts by reference; they are added to `texts`."""
    if not _may_hold_text(type(record)):
        return record
    changed: dict[str, Any] = {}
    for name, field in type(record).model_fields.items():
        old = getattr(record, name)
        new = _by_reference(old, field.annotation, texts)
        if new is not old:
            changed[name] = new
    return record.model_copy(update=changed) if changed else record


@cache
def _may_hold_text(annotation: Any) -> bool:
    """Whether a value of the type can hold a LongText: what cannot is not walked."""
    if annotation in (Any, Archived):
        return True
    if isinstance(annotation, type) and issubclass(annotation, Record):
        types: list[Any] = [field.annotation for field in annotation.model_fields.values()]
        return any(map(_may_hold_text, types))
    return any(map(_may_hold_text, get_args(annotation)))


def _by_reference(value: Any, annotation: Any, texts: dict[str, ArchivedText]) -> Any:
    """The value, or what stands for it; the very same object where nothing in it is long."""
    match value:
        case str() if len(value) > REASONING_CHARS and Archived in _arms(annotation):
            return _archived(value, texts)
        case Record() if not isinstance(value, Archived):
            return _shortened(value, texts)
        case tuple():
            items = cast("tuple[object, ...]", value)
            types = _item_types(annotation, len(items))
            new = tuple(_by_reference(v, t, texts) for v, t in zip(items, types, strict=True))
            return new if _differ(new, items) else items
        case dict():
            old = cast("dict[object, object]", value)
            of = _value_type(annotation)
            fresh = {key: _by_reference(item, of, texts) for key, item in old.items()}
            return fresh if _differ(fresh.values(), old.values()) else old
        case _:
            return value


def _archived(text: str, texts: dict[str, ArchivedText]) -> Archived:
    body = text.encode()
    digest = hashlib.sha256(body).hexdigest()
    texts[digest] = ArchivedText(digest=digest, text=text)
    return Archived(digest=digest, bytes=len(body), start=text[:REASONING_CHARS])


def _differ(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return any(a is not b for a, b in zip(new, old, strict=True))


def _arms(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type, without what is annotated to them."""
    if get_origin(annotation) is Annotated:
        return _arms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(arm for part in get_args(annotation) for arm in _arms(part))
    return (annotation,)


def _item_types(annotation: Any, count: int) -> tuple[Any, ...]:
    """The type of each item of a tuple; Any where it is not known."""
    for arm in _arms(annotation):
        types = get_args(arm) if get_origin(arm) is tuple else ()
        if types[1:] == (...,):
            return types[:1] * count
        if types and len(types) == count:
            return types
    return (Any,) * count


def _value_type(annotation: Any) -> Any:
    """The type of a dict's values; Any where it is not known."""
    known = [get_args(arm)[1] for arm in _arms(annotation) if get_origin(arm) is dict]
    return known[0] if known else Any
