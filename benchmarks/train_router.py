"""Trains the offline router and measures it: `python -m benchmarks.train_router --data FILE`.

Give `--data` once or more; the figures are about the first file, the others only add to training.
scikit-learn is needed here and nowhere else. The same data, scikit-learn and zlib give the
same bytes.
"""

import argparse
import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import gateways.offline
from gateways.offline.features import clause_features, clauses, fold, message_features
from gateways.offline.router import WEIGHTS_FILE, OfflineRouter

FOLDS = 5
SEED = 8842
# Measured on routing_dev.jsonl: 20,000 features are no better.
FEATURES = 12_000
INVERSE_REGULARISATION = 10.0
# A weight is stored as this many parts of one.
SCALE = 100
HEADS = ("billing", "account")
CLASSES = (*HEADS, "neither")
# Two messages are near-duplicates from this share of common letter groups on.
NEAR_DUPLICATE = 0.7
# A message is a part of a join if the join has this share of the message's letter groups...
JOINED_PART = 0.98
# ... and the message has so many that this is no chance.
JOINED_PART_SIZE = 20
ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Message:
    """One labelled row of the data."""

    text: str
    billing: bool
    account: bool
    source: str

    @property
    def features(self) -> set[str]:
        """What the router would see of the whole message."""
        return message_features(clause_features(words) for words in clauses(fold(self.text)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure by cross-validation, then train on everything and write the weights."""
    options = _options(arguments)
    if not _learner_is_installed():
        sys.exit("Training needs scikit-learn, which Casekeeper itself does not: install it first.")
    messages, measured = read_messages(options.data)
    _report_folds(messages, measured)
    _report_unseen_sources(messages, measured)
    packed = train(messages)
    options.out.write_bytes(packed)
    print(f"{options.out}: {len(packed):,} bytes")


def read_messages(paths: Iterable[Path]) -> tuple[list[Message], int]:
    """Read the files, each text once; also say how many messages are of the first file."""
    messages: dict[str, Message] = {}
    measured = 0
    for number, path in enumerate(paths):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            # The joins are named after the source of their halves: synthetic_join:banking77.
            source = re.split("_", row["source"].removeprefix("synthetic_join:"))[0]
            message = Message(row["text"], row["billing"], row["account"], source)
            messages.setdefault(message.text, message)
        measured = measured if number else len(messages)
    return list(messages.values()), measured


def train(messages: Sequence[Message]) -> bytes:
    """Train both heads and give the packed weights."""
    chosen = _choose_features(messages)
    vectorizer, heads = _fit(messages, chosen)
    return pack(vectorizer, [heads[name] for name in HEADS])


def pack(vectorizer: Any, heads: Sequence[Any]) -> bytes:
    """Write features with their inverse frequency and both weights, rounded, as small JSON."""
    columns = (vectorizer.idf_, *(head.coef_[0] for head in heads))
    rounded = [[round(float(value) * SCALE) for value in column] for column in columns]
    features = list(zip(vectorizer.get_feature_names_out().tolist(), *rounded, strict=True))
    bias = [round(float(head.intercept_[0]), 4) for head in heads]
    content = {"scale": SCALE, "bias": bias, "features": features}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # No time stamp, so that the same weights are the same bytes.
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def macro_f1(messages: Sequence[Message], answers: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    """Give the F1 of billing, account and neither, and their mean as "macro"."""
    counts: Counter[tuple[str, str]] = Counter()
    for message, (billing, account) in zip(messages, answers, strict=True):
        truths = (message.billing, message.account, not (message.billing or message.account))
        guesses = (billing, account, not (billing or account))
        for name, truth, guess in zip(CLASSES, truths, guesses, strict=True):
            counts[name, "right"] += 2 * (truth and guess)
            counts[name, "all"] += truth + guess
    scores = {name: counts[name, "right"] / max(1, counts[name, "all"]) for name in CLASSES}
    return {"macro": sum(scores.values()) / len(scores), **scores}


def group_messages(messages: Sequence[Message]) -> list[int]:
    """Number each message's group: near-duplicates, and joins with what they were made of."""
    text: Any = import_module("sklearn.feature_extraction.text")
    counter = text.CountVectorizer(analyzer="char_wb", ngram_range=(4, 4), binary=True)
    vectors = counter.fit_transform([message.text for message in messages]).astype("int32")
    sizes: list[int] = vectors.sum(axis=1).ravel().tolist()[0]
    parents = list(range(len(messages)))
    for start in range(0, len(messages), ROWS_AT_ONCE):
        shared = (vectors[start : start + ROWS_AT_ONCE] @ vectors.T).tocoo()
        rows, columns, common = (part.tolist() for part in (shared.row, shared.col, shared.data))
        for row, column, both in zip(rows, columns, common, strict=True):
            other = start + int(row)
            if _belong_together(both, sizes[other], sizes[int(column)]):
                parents[_root(parents, other)] = _root(parents, int(column))
    return [_root(parents, index) for index in range(len(messages))]


def _belong_together(common: int, one: int, other: int) -> bool:
    smaller = min(one, other)
    near = common >= NEAR_DUPLICATE * (one + other - common)
    return near or (smaller >= JOINED_PART_SIZE and common >= JOINED_PART * smaller)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _features(message: Message) -> list[str]:
    # Sorted, because a set's order differs from process to process and rounding with it.
    return sorted(message.features)


def _fit(messages: Sequence[Message], features: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    text: Any = import_module("sklearn.feature_extraction.text")
    linear: Any = import_module("sklearn.linear_model")
    vectorizer = text.TfidfVectorizer(
        analyzer=_features,
        binary=True,
        min_df=1 if features else 2,
        vocabulary=features,
    )
    vectors = vectorizer.fit_transform(messages)
    heads: dict[str, Any] = {}
    for name in HEADS:
        head = linear.LogisticRegression(
            C=INVERSE_REGULARISATION,
            class_weight="balanced",
            max_iter=300,
            random_state=SEED,
            solver="liblinear",
        )
        heads[name] = head.fit(vectors, [getattr(message, name) for message in messages])
    return vectorizer, heads


def _choose_features(messages: Sequence[Message]) -> list[str]:
    """Keep the features that move the answers most: weight times how often it is met."""
    vectorizer, heads = _fit(messages, None)
    seen = Counter(feature for message in messages for feature in message.features)
    weights = zip(*(heads[name].coef_[0] for name in HEADS), strict=True)
    names: list[str] = vectorizer.get_feature_names_out().tolist()
    moved = {
        name: sum(map(abs, both)) * inverse * seen[name] ** 0.5
        for name, both, inverse in zip(names, weights, vectorizer.idf_, strict=True)
    }
    return sorted(sorted(names, key=lambda name: (-moved[name], name))[:FEATURES])


def _report_folds(messages: Sequence[Message], measured: int) -> None:
    selection: Any = import_module("sklearn.model_selection")
    groups = group_messages(messages)
    answered: dict[int, tuple[bool, bool]] = {}
    for train_on, held_out in selection.GroupKFold(FOLDS).split(messages, groups=groups):
        asked = [int(index) for index in held_out if index < measured]
        answered |= _answer(messages, train_on.tolist(), asked)
    asked = sorted(answered)
    scores = macro_f1([messages[index] for index in asked], [answered[index] for index in asked])
    _print_scores(f"{FOLDS}-fold, grouped, {len(asked)} messages", scores)


def _report_unseen_sources(messages: Sequence[Message], measured: int) -> None:
    for source in sorted({message.source for message in messages[:measured]}):
        train_on = [i for i, message in enumerate(messages) if message.source != source]
        asked = [i for i, message in enumerate(messages[:measured]) if message.source == source]
        answered = _answer(messages, train_on, asked)
        scores = macro_f1([messages[i] for i in asked], list(answered.values()))
        _print_scores(f"unseen {source}, {len(asked)} messages", scores)


def _answer(
    messages: Sequence[Message], train_on: Sequence[int], asked: Sequence[int]
) -> dict[int, tuple[bool, bool]]:
    """Train on some messages and answer others with the very router that ships."""
    router = OfflineRouter.unpack(train([messages[index] for index in train_on]))
    readings = {index: router.read(messages[index].text) for index in asked}
    return {index: (read.needs_billing, read.needs_account) for index, read in readings.items()}


def _print_scores(title: str, scores: dict[str, float]) -> None:
    print(f"{title}: " + ", ".join(f"{name} {score:.3f}" for name, score in scores.items()))


def _learner_is_installed() -> bool:
    try:
        import_module("sklearn")
    except ModuleNotFoundError:
        return False
    return True


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.train_router", description=__doc__)
    default = Path(gateways.offline.__file__).with_name(WEIGHTS_FILE)
    parser.add_argument("--data", type=Path, action="append", required=True, help="JSON lines")
    parser.add_argument("--out", type=Path, default=default, help="where the weights go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
