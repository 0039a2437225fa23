"""Each language says the same, and nothing of its own; an answer is made of one of them."""

from string import Formatter

import pytest

from cases.answer_texts import FALLBACK, TEXTS, AnswerTexts, Opening
from cases.answers import AnswerFacts, template
from cases.languages import detect
from cases.state import CaseStatus
from tests.samples import usd

SENTENCES = [name for name in AnswerTexts.model_fields if name != "openings"]
HOLES = {"refunded": ["amount"], "refund_requested": ["amount"], "past_refund": ["amount", "day"]}
PAID = AnswerFacts(closes_as=CaseStatus.ANSWERED, refunded=(usd("49.99"),))


def sentence(language: str, name: str) -> str:
    return str(getattr(TEXTS[language], name))


def test_seven_languages_have_texts_and_english_stands_in_for_the_others() -> None:
    assert set(TEXTS) == {"en", "de", "fr", "es", "it", "pt", "nl"}
    assert FALLBACK == "en"


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", SENTENCES)
def test_each_language_has_each_sentence_with_the_same_places_to_fill(
    language: str, name: str
) -> None:
    text = sentence(language, name)

    assert text.strip() == text != ""
    assert [hole for _, hole, *_ in Formatter().parse(text) if hole] == HOLES.get(name, [])


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", SENTENCES)
def test_no_sentence_has_an_amount_a_number_or_a_link_of_its_own(language: str, name: str) -> None:
    text = sentence(language, name)

    assert not any(sign.isnumeric() or sign in "$€£¥%/<>[]@" for sign in text)
    assert not any(mark in text for mark in ("www.", "http", "USD", "EUR"))


@pytest.mark.parametrize("language", TEXTS)
def test_no_two_sentences_of_a_language_are_alike(language: str) -> None:
    assert len({sentence(language, name) for name in SENTENCES}) == len(SENTENCES)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", sorted(set(SENTENCES) - {"greeting", "closing"}))
def test_each_sentence_is_in_its_language(language: str, name: str) -> None:
    assert detect(sentence(language, name)) == language


@pytest.mark.parametrize("language", TEXTS)
def test_each_language_has_each_opening_in_its_own_words(language: str) -> None:
    openings = TEXTS[language].openings

    assert set(openings) == set(Opening) - {Opening.NONE}
    assert len(set(openings.values())) == len(openings)
    for text in openings.values():
        assert text.strip() == text
        assert text.endswith(".")
        assert "{" not in text
        assert not any(sign.isnumeric() or sign in "$€£¥%/<>[]@" for sign in text)
        assert detect(text) in (language, None)


def test_an_answer_is_a_greeting_an_opening_the_facts_and_a_closing() -> None:
    paragraphs = template(PAID, "de", Opening.THANKS).split("\n\n")

    assert paragraphs[:2] == ["Guten Tag!", "Vielen Dank für Ihre Nachricht."]
    assert "49.99 USD auf das von Ihnen verwendete Zahlungsmittel erstattet" in paragraphs[2]
    assert paragraphs[3:] == ["Mit freundlichen Grüßen\nIhr Kundenservice"]


def test_without_an_opening_the_facts_follow_the_greeting() -> None:
    assert template(PAID).startswith("Hello,\n\nWe found that you were charged twice")


def test_a_customer_whose_language_has_no_texts_is_answered_in_english() -> None:
    assert template(PAID, "pl") == template(PAID, "") == template(PAID, "en") == template(PAID)
