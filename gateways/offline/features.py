"""Turns a customer's message into clauses, and a clause into the features that the router weighs.

Training and reading both go through this module, so that they cannot drift apart.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise

from gateways.offline.concepts import clause_concepts, concept_features

# A longer run of letters is no word that we route by, and would let one word make the whole work.
WORD_LIMIT = 32
# A clause of fewer words ("I tried again") says too little to be judged alone.
CLAUSE_WORDS = 3

# A mark between two digits parts a number and no sentence.
_IN_A_NUMBER = r"(?<=\d[.,:])\d"
_SENTENCE_END = re.compile(rf"(?:[!?\n\r…؟。！？]|\.(?!{_IN_A_NUMBER}))+|\s[-–—]+\s")
_CLAUSE_END = re.compile(
    rf"(?:[;،，]|[,:](?!{_IN_A_NUMBER}))+|\b(?:and|but|also|plus|because|another thing)\b"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,:]\d+)*|[$€£¥]")
_PRICE = re.compile(r"[\d.,]*\d[.,]\d\d")
_ADDRESSED = re.compile(r"https?://\S+|(?<!\w)@\w+")
_GROUP_SIZES = (3, 4, 5)


def fold(text: str) -> str:
    """Give the text in one case, with one kind of apostrophe, without links and @handles."""
    return _ADDRESSED.sub(" ", text.casefold().replace("’", "'").replace("`", "'"))


def sentences(folded: str) -> Iterator[list[list[str]]]:
    """Yield the clauses of each sentence, in order; what has no words is left out."""
    for sentence in _SENTENCE_END.split(folded):
        parts = (_words(part) for part in _CLAUSE_END.split(sentence))
        if found := [words for words in parts if words]:
            yield found


def clauses(folded: str) -> Iterator[list[str]]:
    """Yield the words of each clause, in order."""
    return chain.from_iterable(sentences(folded))


def _words(part: str) -> list[str]:
    return [_plain(word) for word in _WORD.findall(part)]


def _plain(word: str) -> str:
    if not word[0].isdecimal():
        return word[:WORD_LIMIT]
    return "0.00" if _PRICE.fullmatch(word) else "0"


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
