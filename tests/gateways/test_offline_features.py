"""How a message is cut into sentences, clauses and words, and what they cost."""

import random

from gateways.offline import features


def test_sentences_are_cut_at_their_marks_and_clauses_within_them() -> None:
    text = "i paid, and it failed! where is it - help"
    assert [*features.sentences(text)] == [
        [["i", "paid"], ["it", "failed"]],
        [["where", "is", "it"]],
        [["help"]],
    ]


def test_a_price_is_one_word_and_no_mark_within_a_number_ends_a_clause() -> None:
    assert [*features.clauses("took 1,014.99, at 10:30. v2.1")] == [
        ["took", "0.00"],
        ["at", "0"],
        ["v", "0"],
    ]


def test_features_grow_with_the_text_and_not_with_its_square() -> None:
    chance = random.Random(8842)  # noqa: S311  # text for a test, not a secret
    words = ["".join(chance.choices("abcdefghij", k=9)) for _ in range(3000)]

    def counted(number: int) -> int:
        parts = features.clauses(" ".join(words[:number]))
        return sum(len(features.clause_features(clause)) for clause in parts)

    assert counted(3000) <= 2.1 * counted(1500)
    assert len(features.clause_features(next(features.clauses("".join(words))))) < 100
