"""Trains the offline router: `python -m benchmarks.train_router --data FILE [--data FILE]`.

Our own everyday messages are always added. `python -m benchmarks.understanding` measures it.
scikit-learn is needed here and for cross-validation, nowhere else. The same data, scikit-learn and
zlib give the same bytes.
"""

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import gateways.offline
from benchmarks.messages import NEEDS, Message, everyday_messages, read_messages
from cases.errors import InvalidInput
from gateways.offline.router import WEIGHTS_FILE

NO_LEARNER = "Training needs scikit-learn, which Casekeeper itself does not: install it first."
SEED = 8842
# Measured on routing_dev.jsonl: 20,000 features are no better.
FEATURES = 12_000
INVERSE_REGULARISATION = 5.0
# A concept says as much as this many words.
CONCEPT_WEIGHT = 6.0
# One message of ours counts as this many of the data sets', which know fewer trades.
EVERYDAY_WEIGHT = 3.0
# A weight is stored as this many parts of one.
SCALE = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on everything and write the weights."""
    options = _options(arguments)
    if not learner_is_installed():
        sys.exit(NO_LEARNER)
    try:
        messages, _ = read_messages(options.data)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    packed = train(messages)
    options.out.write_bytes(packed)
    print(f"{options.out}: {len(packed):,} bytes")


def learner_is_installed() -> bool:
    """Whether scikit-learn can be imported."""
    try:
        import_module("sklearn")
    except ModuleNotFoundError:
        return False
    return True


def train(messages: Sequence[Message]) -> bytes:
    """Train both heads on these messages and our own, and give the packed weights."""
    everyday = everyday_messages()
    rows = [*messages, *everyday]
    shares = [1.0] * len(messages) + [EVERYDAY_WEIGHT] * len(everyday)
    text: Any = import_module("sklearn.feature_extraction.text")
    counter = text.CountVectorizer(analyzer=_features, binary=True, min_df=2)
    counts = counter.fit_transform(rows)
    names: list[str] = counter.get_feature_names_out().tolist()
    inverse = text.TfidfTransformer().fit(counts).idf_
    for column, name in enumerate(names):
        inverse[column] *= CONCEPT_WEIGHT if name.startswith("@") else 1.0
    heads = _fit(rows, counts, inverse, shares)
    chosen = _choose(rows, names, inverse, heads)
    heads = _fit(rows, counts[:, chosen], inverse[chosen], shares)
    return pack([names[column] for column in chosen], inverse[chosen], heads)


def pack(names: Sequence[str], inverse: Any, heads: Sequence[Any]) -> bytes:
    """Write features with their inverse frequency and both weights, rounded, as small JSON."""
    columns = (inverse, *(head.coef_[0] for head in heads))
    rounded = [[round(float(value) * SCALE) for value in column] for column in columns]
    bias = [round(float(head.intercept_[0]), 4) for head in heads]
    content = {"scale": SCALE, "bias": bias, "features": list(zip(names, *rounded, strict=True))}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # No time stamp, so that the same weights are the same bytes.
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def _features(message: Message) -> list[str]:
    # Sorted, because a set's order differs from process to process and rounding with it.
    return sorted(message.features)


def _fit(
    messages: Sequence[Message], counts: Any, inverse: Any, shares: Sequence[float]
) -> list[Any]:
    linear: Any = import_module("sklearn.linear_model")
    preprocessing: Any = import_module("sklearn.preprocessing")
    vectors = preprocessing.normalize(counts.multiply(inverse).tocsr())
    heads: list[Any] = []
    for name in NEEDS:
        head = linear.LogisticRegression(
            C=INVERSE_REGULARISATION,
            class_weight="balanced",
            max_iter=300,
            random_state=SEED,
            solver="liblinear",
        )
        truths = [getattr(message, name) for message in messages]
        heads.append(head.fit(vectors, truths, sample_weight=shares))
    return heads


def _choose(
    messages: Sequence[Message], names: Sequence[str], inverse: Any, heads: Sequence[Any]
) -> list[int]:
    """Keep the features that move the answers most: weight times how often it is met."""
    seen = Counter(feature for message in messages for feature in message.features)
    weights = zip(*(head.coef_[0] for head in heads), strict=True)
    moved = [
        sum(map(abs, both)) * share * seen[name] ** 0.5
        for name, both, share in zip(names, weights, inverse, strict=True)
    ]
    order = sorted(range(len(names)), key=lambda column: (-moved[column], names[column]))
    return sorted(order[:FEATURES])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.train_router", description=__doc__)
    default = Path(gateways.offline.__file__).with_name(WEIGHTS_FILE)
    parser.add_argument("--data", type=Path, action="append", required=True, help="JSON lines")
    parser.add_argument("--out", type=Path, default=default, help="where the weights go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
