"""The labelled messages that the offline router is trained on and measured by."""

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from cases.errors import InvalidInput
from gateways.offline.features import clause_features, clauses, fold, message_features

#: Everyday messages of ours, in the words of many trades: for training, never for measuring.
EVERYDAY: Final = Path(__file__).parent / "data" / "everyday.jsonl"
#: Free messages of ours in the style of short public posts: for measuring, never for training.
PROBE: Final = Path(__file__).parent / "data" / "probe.jsonl"
#: More of them, from more trades and in more moods: for measuring, never for training.
FREE_PROBE: Final = Path(__file__).parent / "data" / "free_probe.jsonl"

NEEDS: Final = ("billing", "account")
_SEED = 8842
_JOINED_NEITHER, _JOINED_NEEDS = 400, 300
_BETWEEN = (". ", " and ", ", ", "! ", "? ", " - ")


@dataclass(frozen=True)
class Message:
    """One labelled row of the data."""

    text: str
    billing: bool
    account: bool
    source: str

    @property
    def neither(self) -> bool:
        """Whether no agent is needed: a person reads it."""
        return not (self.billing or self.account)

    @property
    def features(self) -> set[str]:
        """What the router would see of the whole message."""
        return message_features(clause_features(words) for words in clauses(fold(self.text)))


def read_messages(paths: Iterable[Path]) -> tuple[list[Message], int]:
    """Read the files, each text once; also say how many messages are of the first file."""
    messages: dict[str, Message] = {}
    measured = 0
    for number, path in enumerate(paths):
        for message in read_file(path):
            messages.setdefault(message.text, message)
        measured = measured if number else len(messages)
    return list(messages.values()), measured


def read_file(path: Path) -> list[Message]:
    """Read one file of JSON lines; `InvalidInput` names the file and the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(str(path), "is not text in UTF-8") from error
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InvalidInput(str(path), "holds no messages")
    return [_message(f"{path}, line {number}", line) for number, line in rows]


def everyday_messages() -> list[Message]:
    """Give our own messages, and joins of them: a real message speaks of several things."""
    single = read_file(EVERYDAY)
    chance = random.Random(_SEED)  # noqa: S311  # the same joins each time, no secret
    neither = [message for message in single if message.neither]
    needs = [message for message in single if not message.neither]
    joined = [_join(chance, chance.sample(neither, chance.choice((2, 3))))
              for _ in range(_JOINED_NEITHER)]  # fmt: skip
    for _ in range(_JOINED_NEEDS):
        parts = [chance.choice(needs), *chance.sample(neither, chance.choice((1, 1, 2)))]
        chance.shuffle(parts)
        joined.append(_join(chance, parts))
    return [*single, *joined]


def _join(chance: random.Random, parts: Sequence[Message]) -> Message:
    return Message(
        text=chance.choice(_BETWEEN).join(part.text for part in parts),
        billing=any(part.billing for part in parts),
        account=any(part.account for part in parts),
        source=parts[0].source,
    )


def _message(place: str, line: str) -> Message:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise InvalidInput(place, "is not JSON") from error
    if not isinstance(row, dict):
        raise InvalidInput(place, "is not a JSON object")
    row = {"source": "unnamed", **cast("dict[str, Any]", row)}
    text, source = (_value(place, row, key, str) for key in ("text", "source"))
    billing, account = (_value(place, row, key, bool) for key in NEEDS)
    # The joins are named after the source of their halves: synthetic_join:banking77.
    return Message(text, billing, account, re.split("_", source.removeprefix("synthetic_join:"))[0])


def _value(place: str, row: dict[str, Any], key: str, kind: type) -> Any:
    if key not in row:
        raise InvalidInput(place, f'has no "{key}"')
    if type(row[key]) is not kind:
        names = {str: "a text", bool: "true or false"}
        raise InvalidInput(place, f'"{key}" is not {names[kind]}')
    return row[key]
