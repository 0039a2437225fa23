"""How well answers fit the labels: F1, precision and recall of billing, account and neither."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from benchmarks.messages import Message

CLASSES: Final = ("billing", "account", "neither")

# The routing of the usual recipes: a message is about what it has a word of. More words help on
# questions to a bank and harm on free messages: "bill", "payment" and "charge" have other senses.
_MONEY_WORDS: Final = re.compile(r"refund|charged twice", re.IGNORECASE)
_ACCESS_WORDS: Final = re.compile(r"log in|login|password", re.IGNORECASE)


class Answer(NamedTuple):
    """Which needs one message was said to hold."""

    billing: bool
    account: bool
    confidence: int = 100

    @property
    def neither(self) -> bool:
        """Whether it goes to a person."""
        return not (self.billing or self.account)


@dataclass(frozen=True)
class ClassScore:
    """One class as a question of yes or no: billing is yes for "billing" and for "both"."""

    f1: float
    precision: float
    recall: float
    labelled: int


@dataclass(frozen=True)
class Certainty:
    """How the answers of less confidence than a bound differ from the others."""

    below: int
    share_below: float
    right_below: float
    right_from_there: float


@dataclass(frozen=True)
class Scores:
    """The three classes, and the mean of their F1."""

    macro_f1: float
    messages: int
    classes: dict[str, ClassScore]


def score(messages: Sequence[Message], answers: Sequence[Answer]) -> Scores:
    """Compare the answers with the labels."""
    pairs = list(zip(messages, answers, strict=True))
    classes = {
        name: _class_score([(getattr(m, name), getattr(a, name)) for m, a in pairs])
        for name in CLASSES
    }
    macro = sum(each.f1 for each in classes.values()) / len(classes)
    return Scores(macro, len(pairs), classes)


def by_source(messages: Sequence[Message], answers: Sequence[Answer]) -> dict[str, Scores]:
    """Score the messages of each source for themselves."""
    found: dict[str, Scores] = {}
    for source in sorted({message.source for message in messages}):
        pairs = [pair for pair in zip(messages, answers, strict=True) if pair[0].source == source]
        found[source] = score([m for m, _ in pairs], [a for _, a in pairs])
    return found


def certainty(
    messages: Sequence[Message], answers: Sequence[Answer], bounds: Sequence[int]
) -> list[Certainty]:
    """Say for each bound what share of the answers is less sure, and how many are wholly right."""
    pairs = list(zip(messages, answers, strict=True))
    right = [(a.confidence, (m.billing, m.account) == (a.billing, a.account)) for m, a in pairs]
    found: list[Certainty] = []
    for bound in bounds:
        low = [well for confidence, well in right if confidence < bound]
        high = [well for confidence, well in right if confidence >= bound]
        share = len(low) / max(1, len(right))
        found.append(Certainty(bound, share, _mean(low), _mean(high)))
    return found


def keyword_answer(text: str) -> Answer:
    """Answer by single words, as the usual recipes do."""
    return Answer(bool(_MONEY_WORDS.search(text)), bool(_ACCESS_WORDS.search(text)))


def _mean(right: Sequence[bool]) -> float:
    return sum(right) / max(1, len(right))


def _class_score(pairs: Sequence[tuple[bool, bool]]) -> ClassScore:
    right = sum(truth and guess for truth, guess in pairs)
    labelled = sum(truth for truth, _ in pairs)
    guessed = sum(guess for _, guess in pairs)
    return ClassScore(
        f1=2 * right / max(1, labelled + guessed),
        precision=right / max(1, guessed),
        recall=right / max(1, labelled),
        labelled=labelled,
    )
