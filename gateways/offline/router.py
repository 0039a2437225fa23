"""The offline understanding: which needs a customer's message holds, read on one CPU in a moment.

Two independent heads, billing and account, weigh words, pairs of words, letter groups (TF-IDF and
logistic regression) and concepts that all trades share. A message with both low needs neither and
goes to a person.

`python -m benchmarks.train_router` trains on routing_dev.jsonl, routing_dev_pool.jsonl and our own
everyday messages. Macro-F1 over billing, account and neither: 0.960 in 5 folds that keep
near-duplicates and joins with their parts; where one of the four sources was never seen 0.914 in
the mean. docs/understanding.md has the other figures, and how far they can be believed.
"""

import gzip
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from importlib.resources import files
from itertools import chain
from typing import Final

from gateways.offline.concepts import clause_concepts, names_access, names_money
from gateways.offline.features import (
    CLAUSE_WORDS,
    clause_features,
    fold,
    message_features,
    sentences,
)
from gateways.offline.phrases import ACCOUNT_PHRASES, BILLING_PHRASES, Reason, billing_reason

# The next three were measured on sources never seen, where they give 0.914 in the mean. With 0.6
# for one of the two it is 0.911.
BILLING_THRESHOLD: Final = 0.5
ACCOUNT_THRESHOLD: Final = 0.5
# A clause alone outweighs the rest only where it is surer than this: with 0.9 it is 0.909.
CLAUSE_FLOOR: Final = 0.8
# A message that names nothing of what a need is about has that need only from this sureness on:
# 0.912 without it; and on our everyday messages, by a router that learned from the data sets alone,
# the precision of account is 0.84 without it and 0.90 with it.
UNNAMED_FLOOR: Final = 0.9
# Of readings with less confidence than this every second was wrong on sources never seen, and every
# third in folds, where 2.4 % of the messages fall below it (docs/understanding.md).
PERSON_BELOW: Final = 60
# What a sure phrase is worth: the least precision that one phrase had on the data.
PHRASE_PROBABILITY: Final = 0.98

WEIGHTS_FILE: Final = "router_weights.json.gz"


@dataclass(frozen=True)
class Reading:
    """What one message holds: probabilities of the two needs, and a billing need's reason."""

    billing: float
    account: float
    reason: Reason

    @property
    def needs_billing(self) -> bool:
        """Whether the billing agent is to look at it."""
        return self.billing >= BILLING_THRESHOLD

    @property
    def needs_account(self) -> bool:
        """Whether the account agent is to look at it."""
        return self.account >= ACCOUNT_THRESHOLD

    @property
    def confidence(self) -> int:
        """Of a hundred such readings, how many have the right needs: the less sure head says it."""
        surest = (max(head, 1 - head) for head in (self.billing, self.account))
        return int(100 * min(surest))


@dataclass(frozen=True)
class FeatureWeight:
    """One feature's share in the length of a message's vector and in each head's sum."""

    squared: float
    billing: float
    account: float


@dataclass(frozen=True)
class Odds:
    """The log odds of both heads for one text."""

    billing: float
    account: float

    def max(self, other: "Odds") -> "Odds":
        """Give the higher odds of each head."""
        return Odds(max(self.billing, other.billing), max(self.account, other.account))


class OfflineRouter:
    """Reads messages with the shipped weights; it holds no state between messages."""

    def __init__(self, weights: dict[str, FeatureWeight], bias: Odds) -> None:
        self.weights = weights
        self.bias = bias

    @classmethod
    def load(cls) -> "OfflineRouter":
        """Build the router from the weights in this package; the caller keeps it."""
        packed = files("gateways.offline").joinpath(WEIGHTS_FILE).read_bytes()
        return cls.unpack(packed)

    @classmethod
    def unpack(cls, packed: bytes) -> "OfflineRouter":
        """Build the router from packed weights, as `pack` in the training script writes them."""
        stored = json.loads(gzip.decompress(packed))
        scale: float = stored["scale"]
        weights: dict[str, FeatureWeight] = {}
        for feature, idf, billing, account in stored["features"]:
            share = idf / scale
            weights[feature] = FeatureWeight(
                share * share, share * billing / scale, share * account / scale
            )
        return cls(weights, Odds(*stored["bias"]))

    def read(self, text: str) -> Reading:
        """Read one message: as a whole, clause by clause, and for what it says outright."""
        folded = fold(text)
        odds = self._weigh(folded)
        reason = billing_reason(folded)
        billing = _probability(odds.billing)
        account = _probability(odds.account)
        if reason == "duplicate" or BILLING_PHRASES.search(folded):
            billing = max(billing, PHRASE_PROBABILITY)
        if ACCOUNT_PHRASES.search(folded):
            account = max(account, PHRASE_PROBABILITY)
        return Reading(billing, account, reason if billing >= BILLING_THRESHOLD else "unspecified")

    def _weigh(self, folded: str) -> Odds:
        parts = list(sentences(folded))
        known = [[self.weights.keys() & clause_features(words) for words in part] for part in parts]
        whole = self._odds(message_features(chain.from_iterable(known)))
        each = (self._odds(message_features(features)) for features in known if len(features) > 1)
        alone = (
            _if_sure(self._odds(features))
            for words, features in zip(chain(*parts), chain(*known), strict=True)
            if len(words) >= CLAUSE_WORDS
        )
        return _if_named(reduce(Odds.max, chain(each, alone), whole), chain(*parts))

    def _odds(self, known: set[str]) -> Odds:
        weights = [self.weights[feature] for feature in known]
        length = math.sqrt(math.fsum(weight.squared for weight in weights)) or 1.0
        # fsum, because a set has no order and a plain sum would differ from process to process.
        return Odds(
            self.bias.billing + math.fsum(weight.billing for weight in weights) / length,
            self.bias.account + math.fsum(weight.account for weight in weights) / length,
        )


def _if_sure(odds: Odds) -> Odds:
    floor = math.log(CLAUSE_FLOOR / (1 - CLAUSE_FLOOR))
    return Odds(
        odds.billing if odds.billing >= floor else -math.inf,
        odds.account if odds.account >= floor else -math.inf,
    )


def _if_named(odds: Odds, parts: Iterable[list[str]]) -> Odds:
    concepts = [clause_concepts(words) for words in parts]
    unnamed = math.log(UNNAMED_FLOOR / (1 - UNNAMED_FLOOR))
    return Odds(
        odds.billing - (0.0 if any(map(names_money, concepts)) else unnamed),
        odds.account - (0.0 if any(map(names_access, concepts)) else unnamed),
    )


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
