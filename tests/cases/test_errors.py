"""Errors are sentences in one tree, each with its verdict on a retry."""

import pytest

from cases import errors
from cases.errors import (
    AlreadyDecided,
    CaseAlreadyExists,
    CaseClosed,
    CaseError,
    CaseNotFound,
    CheckpointNotFound,
    ConcurrentModification,
    CustomerKeyMissing,
    ForeignWrite,
    GatewayUnavailable,
    InvalidInput,
    LeaseLost,
    LeaseUnavailable,
    ModelUnavailable,
    RateLimited,
    SchemaTooNew,
    UnknownSection,
)


def tree(kind: type[CaseError] = CaseError) -> list[type[CaseError]]:
    below = (found for child in kind.__subclasses__() for found in tree(child))
    return [kind, *(found for found in below if found.__module__ == errors.__name__)]


def test_a_retry_helps_only_against_what_passes() -> None:
    assert {kind for kind in tree() if kind.retryable} == {
        ConcurrentModification,
        CustomerKeyMissing,
        GatewayUnavailable,
        LeaseUnavailable,
        ModelUnavailable,
        RateLimited,
        SchemaTooNew,
    }


def test_the_tree_in_the_modules_description_names_every_error() -> None:
    assert errors.__doc__
    for kind in tree():
        assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InvalidInput("text", "is empty"), "text: is empty"),
        (CaseNotFound("case_1"), "There is no case case_1."),
        (CaseNotFound("case_1", "what-if"), "There is no case case_1 on branch what-if."),
        (CheckpointNotFound("case_1", "main.9"), "Case case_1 has no checkpoint main.9."),
        (CaseAlreadyExists("case_1"), "Case case_1 exists already."),
        (CaseClosed("case_1", "answered"), "Case case_1 is closed (answered)."),
        (
            ConcurrentModification("case_1", 0, 3),
            "Case case_1 is at version 3, not 0: reload and retry.",
        ),
        (
            AlreadyDecided("case_1", "denied", "dana"),
            "The approval request of case case_1 was already denied by dana.",
        ),
        (
            AlreadyDecided("case_1", "expired", None),
            "The approval request of case case_1 was already expired.",
        ),
        (
            ForeignWrite("account", "billing", "billing"),
            "account may not write section billing: it belongs to billing.",
        ),
        (
            LeaseLost("case case_1", 5, 7),
            "The lease of case case_1 with token 5 is over: 7 has written.",
        ),
        (
            LeaseUnavailable("poller"),
            "The lease poller cannot be had: Redis does not answer.",
        ),
        (UnknownSection("parcel"), "No agent is registered for section parcel."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_sentence(error: CaseError, sentence: str) -> None:
    assert str(error) == sentence
