"""Needs only grow, and a named reason stays."""

import pytest
from pydantic import ValidationError

from cases.mentions import MentionKind
from cases.understanding import (
    MAX_NAMED,
    Named,
    Reason,
    Understanding,
    UnderstandingSection,
    Urgency,
)


def understood(*topics: str, reason: Reason = Reason.UNSPECIFIED) -> Understanding:
    return Understanding(needs=frozenset(topics), reason=reason)


def test_each_message_adds_its_needs() -> None:
    section = UnderstandingSection()
    for message in (understood("billing"), understood(), understood("account", "billing")):
        section = section.with_messages(message)

    assert section.needs == ("account", "billing")


def test_a_message_without_a_reason_leaves_the_one_that_was_named() -> None:
    section = UnderstandingSection(reason=Reason.FRAUD)

    assert section.with_messages(understood("billing")).reason is Reason.FRAUD
    assert section.with_messages(understood(reason=Reason.DUPLICATE)).reason is Reason.DUPLICATE


def test_a_message_that_was_understood_ends_an_earlier_failure() -> None:
    failed = UnderstandingSection(status="failed", error="no answer")
    section = failed.with_messages(understood("billing"))

    assert not section.failed
    assert section.error is None


def test_a_reason_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(ValidationError):
        Understanding.model_validate({"needs": ["billing"], "reason": "because I say so"})


def test_what_was_not_clear_stays_so_until_a_message_that_is() -> None:
    doubtful = Understanding(needs=frozenset(), sure=False)
    section = UnderstandingSection().with_messages(doubtful)
    assert section.unsure

    assert section.with_messages(understood()).unsure  # thanks, and nothing that tells
    assert not section.with_messages(understood("billing")).unsure


def test_the_most_urgent_message_counts_and_the_newest_language() -> None:
    section = UnderstandingSection().with_messages(
        Understanding(needs=frozenset(), urgency=Urgency.HIGH, language="de")
    )
    section = section.with_messages(understood("billing"))
    assert (section.urgency, section.language) == (Urgency.HIGH, "de")

    english = Understanding(needs=frozenset(), urgency=Urgency.LOW, language="en")
    section = section.with_messages(english)
    assert (section.urgency, section.language) == (Urgency.HIGH, "en")


def test_a_suspicion_stays() -> None:
    attack = Understanding(needs=frozenset(), suspected_injection=True)

    assert (
        UnderstandingSection().with_messages(attack).with_messages(understood()).suspected_injection
    )


def test_of_all_that_is_named_the_newest_is_kept() -> None:
    named = [
        Named(message_id="m1", kind=MentionKind.ORDER, value=str(n), start=0, end=1)
        for n in range(MAX_NAMED + 3)
    ]
    section = UnderstandingSection().with_messages(understood(), named[:2])
    section = section.with_messages(understood(), named[2:])

    assert list(section.named) == named[3:]


def test_a_section_without_the_newer_fields_is_stored_as_it_was_before_them() -> None:
    section = UnderstandingSection(needs=("billing",), messages_read=1)

    assert section.model_dump(mode="json") == {
        "status": "done",
        "error": None,
        "needs": ["billing"],
        "reason": "unspecified",
        "messages_read": 1,
    }


@pytest.mark.parametrize("language", ["", "EN", "eng", "e", "Deutsch"])
def test_a_language_is_a_code_of_two_small_letters(language: str) -> None:
    with pytest.raises(ValidationError):
        Understanding(needs=frozenset(), language=language)
