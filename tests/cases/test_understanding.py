"""Needs only grow, and a named reason stays."""

import pytest
from pydantic import ValidationError

from cases.understanding import Reason, Understanding, UnderstandingSection


def understood(*topics: str, reason: Reason = Reason.UNSPECIFIED) -> Understanding:
    return Understanding(needs=frozenset(topics), reason=reason)


def test_each_message_adds_its_needs() -> None:
    section = UnderstandingSection()
    for message in (understood("billing"), understood(), understood("account", "billing")):
        section = section.with_message(message)

    assert section.needs == ("account", "billing")
    assert section.messages_read == 3


def test_a_message_without_a_reason_leaves_the_one_that_was_named() -> None:
    section = UnderstandingSection(reason=Reason.FRAUD)

    assert section.with_message(understood("billing")).reason is Reason.FRAUD
    assert section.with_message(understood(reason=Reason.DUPLICATE)).reason is Reason.DUPLICATE


def test_a_message_that_was_understood_ends_an_earlier_failure() -> None:
    failed = UnderstandingSection(status="failed", error="no answer")
    section = failed.with_message(understood("billing"))

    assert not section.failed
    assert section.error is None


def test_a_reason_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(ValidationError):
        Understanding.model_validate({"needs": ["billing"], "reason": "because I say so"})
