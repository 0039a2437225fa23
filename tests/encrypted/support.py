"""Finds what lies in clear: in a history, message by message, and in the files of Temporal."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

Found = tuple[str, object]


def walk(message: Message, path: str = "") -> Iterator[Found]:
    """Every payload and every other plain value below a message, each with the names above it."""
    for field, value in message.ListFields():
        name = f"{path}.{field.name}"
        if field.message_type and field.message_type.GetOptions().map_entry:
            values = [(f"{name}[{key}]", value[key]) for key in value]
        elif field.is_repeated:
            values = [(name, one) for one in value]
        else:
            values = [(name, value)]
        for place, one in values:
            yield from _below(one, place)


def _below(value: object, path: str) -> Iterator[Found]:
    if isinstance(value, Message) and not isinstance(value, Payload):
        yield from walk(value, path)
    else:
        yield path, value


def in_clear(message: Message) -> list[Found]:
    """What whoever reads the server's store can read of the message."""
    return [
        (path, value)
        for path, value in walk(message)
        if not (isinstance(value, Payload) and value.metadata["encoding"] == b"binary/encrypted")
    ]


def keys_used(message: Message) -> set[str]:
    """The ids of the keys that the message's payloads are encrypted with."""
    return {
        value.metadata["encryption-key-id"].decode()
        for _, value in walk(message)
        if isinstance(value, Payload) and "encryption-key-id" in value.metadata
    }


def files_with(folder: Path, words: str) -> list[str]:
    """The files below the folder that hold these words."""
    wanted = words.encode()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path.name for path in files if wanted in path.read_bytes()]
