"""Answers each message by a router that was trained without it, or without its whole source."""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from benchmarks.messages import Message
from benchmarks.scores import Answer
from benchmarks.train_router import train
from cases.errors import InvalidInput
from gateways.offline.router import OfflineRouter

FOLDS: Final = 5
# Two messages are near-duplicates from this share of common letter groups on.
NEAR_DUPLICATE: Final = 0.7
# A message is a part of a join if the join has this share of the message's letter groups...
JOINED_PART: Final = 0.98
# ... and the message has so many that this is no chance.
JOINED_PART_SIZE: Final = 20
_ROWS_AT_ONCE: Final = 500


def answer_in_folds(messages: Sequence[Message], measured: int) -> list[Answer]:
    """Answer the first `measured` messages; no near-duplicate or half of a join was learned."""
    selection: Any = import_module("sklearn.model_selection")
    groups = group_messages(messages)
    if len(set(groups)) < FOLDS:
        raise InvalidInput("--data", f"has too few different messages for {FOLDS} folds")
    answered: dict[int, Answer] = {}
    for train_on, held_out in selection.GroupKFold(FOLDS).split(messages, groups=groups):
        asked = [int(index) for index in held_out if index < measured]
        answered |= _answer(messages, train_on.tolist(), asked)
    return [answered[index] for index in sorted(answered)]


def answer_unseen_sources(
    messages: Sequence[Message], measured: int
) -> Iterator[tuple[str, list[Message], list[Answer]]]:
    """Answer each source of the first `measured` messages by what the other sources teach."""
    for source in sorted({message.source for message in messages[:measured]}):
        train_on = [i for i, message in enumerate(messages) if message.source != source]
        asked = [i for i, message in enumerate(messages[:measured]) if message.source == source]
        answered = _answer(messages, train_on, asked)
        yield source, [messages[i] for i in asked], list(answered.values())


def group_messages(messages: Sequence[Message]) -> list[int]:
    """Number each message's group: near-duplicates, and joins with what they were made of."""
    text: Any = import_module("sklearn.feature_extraction.text")
    counter = text.CountVectorizer(analyzer="char_wb", ngram_range=(4, 4), binary=True)
    # Without punctuation, because a join puts its own behind the first half.
    plain = [re.sub(r"\W+", " ", message.text) for message in messages]
    vectors = counter.fit_transform(plain).astype("int32")
    sizes: list[int] = vectors.sum(axis=1).ravel().tolist()[0]
    parents = list(range(len(messages)))
    for start in range(0, len(messages), _ROWS_AT_ONCE):
        shared = (vectors[start : start + _ROWS_AT_ONCE] @ vectors.T).tocoo()
        rows, columns, common = (part.tolist() for part in (shared.row, shared.col, shared.data))
        for row, column, both in zip(rows, columns, common, strict=True):
            other = start + int(row)
            if belong_together(both, sizes[other], sizes[int(column)]):
                parents[_root(parents, other)] = _root(parents, int(column))
    return [_root(parents, index) for index in range(len(messages))]


def belong_together(common: int, one: int, other: int) -> bool:
    """Whether two messages of so many letter groups, so many of them common, are one group."""
    smaller = min(one, other)
    near = common >= NEAR_DUPLICATE * (one + other - common)
    return near or (smaller >= JOINED_PART_SIZE and common >= JOINED_PART * smaller)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _answer(
    messages: Sequence[Message], train_on: Sequence[int], asked: Sequence[int]
) -> dict[int, Answer]:
    """Train on some messages and answer others with the very router that ships."""
    router = OfflineRouter.unpack(train([messages[index] for index in train_on]))
    readings = {index: router.read(messages[index].text) for index in asked}
    return {
        index: Answer(read.needs_billing, read.needs_account, read.confidence)
        for index, read in readings.items()
    }
