"""What a clause is about, in the concepts that all trades share."""

import pytest

from gateways.offline.concepts import (
    clause_concepts,
    concept_features,
    names_access,
    names_money,
)


@pytest.mark.parametrize(
    ("clause", "concepts"),
    [
        ("why was i billed", "charge"),
        ("i want my money back", "money refund"),
        ("i was signed out", "login"),
        ("cannot sign up", "register"),
        ("the reset link", "forget secret"),
        ("locked out", "lock"),
        ("the weather is fine", ""),
        ("", ""),
    ],
)
def test_a_clause_is_about_the_things_it_names(clause: str, concepts: str) -> None:
    assert clause_concepts(clause.split()) == set(concepts.split())


@pytest.mark.parametrize("word", ["invoicw", "invoicce", "invoce", "invocie", "nivoices"[1:]])
def test_one_letter_too_many_too_few_or_other_is_forgiven(word: str) -> None:
    assert clause_concepts([word]) == {"bill"}


@pytest.mark.parametrize("word", ["filling", "bull", "fie", "ayment", "invce"])
def test_another_word_two_letters_or_a_missing_first_letter_are_not(word: str) -> None:
    assert clause_concepts([word]) == set()


def test_each_concept_and_each_pair_is_a_feature_whatever_their_order() -> None:
    one = set(concept_features(clause_concepts(["close", "my", "account"])))
    assert one == {"@account", "@close", "@account+close"}
    assert one == set(concept_features(clause_concepts(["account", "to", "close"])))


@pytest.mark.parametrize("word", ["fee", "refunds", "€", "statement", "paid", "deducted"])
def test_money_is_named(word: str) -> None:
    assert names_money(clause_concepts([word]))
    assert not names_access(clause_concepts([word]))


@pytest.mark.parametrize("clause", ["log in", "password", "change my address", "lock my card"])
def test_access_is_named(clause: str) -> None:
    assert names_access(clause_concepts(clause.split()))
    assert not names_money(clause_concepts(clause.split()))


@pytest.mark.parametrize("clause", ["address", "the lock is jammed", "cancel my order", "card"])
def test_what_is_said_of_many_things_alone_names_no_access(clause: str) -> None:
    assert not names_access(clause_concepts(clause.split()))
