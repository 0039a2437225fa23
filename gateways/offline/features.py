"""Turns a customer's message into clauses, and a clause into the features that the router weighs.

Training and reading both go through this module, so that they cannot drift apart.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from gateways.offline.concepts import clause_concepts, concept_features

# A longer run of letters is no word that we route by, and would let one word make the whole work.
WORD_LIMIT = 32
# A clause of fewer words ("I tried again") says too little to be judged alone.
CLAUSE_WORDS = 3

_CLAUSE_END = re.compile(
    r"[.!?;:,\n\r…؟،。！？，]+|\s[-–—]+\s|\b(?:and|but|also|plus|because|another thing)\b"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[$€£¥]")
_ADDRESSED = re.compile(r"https?://\S+|(?<!\w)@\w+")
_GROUP_SIZES = (3, 4, 5)


def fold(text: str) -> str:
    """Give the text in one case, with one kind of apostrophe, without links and @handles."""
    return _ADDRESSED.sub(" ", text.casefold().replace("’", "'").replace("`", "'"))


def clauses(folded: str) -> Iterator[list[str]]:
    """Yield the words of each clause, in order; a clause without words is left out."""
    for part in _CLAUSE_END.split(folded):
        words = ["0" if word.isdigit() else word[:WORD_LIMIT] for word in _WORD.findall(part)]
        if words:
            yield words


def clause_features(words: list[str]) -> set[str]:
    """Give the words, pairs of neighbours, letter groups and concepts of one clause."""
    features = set(words)
    features.update(map(" ".join, pairwise(words)))
    for word in set(words):
        features.update(letter_groups(word))
    features.update(concept_features(clause_concepts(words)))
    return features


@lru_cache(maxsize=4096)  # A text repeats its words; cutting them up is most of the work.
def letter_groups(word: str) -> tuple[str, ...]:
    """Give the runs of 3 to 5 letters, the word's edges marked: they see through typing errors."""
    marked = f"<{word}>"
    return tuple(
        "#" + marked[start : start + size]
        for size in _GROUP_SIZES
        for start in range(len(marked) - size + 1)
    )


def message_features(parts: Iterable[set[str]]) -> set[str]:
    """Give the features of a whole message: those of its clauses together."""
    return set[str]().union(*parts)
