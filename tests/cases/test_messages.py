"""Anyone can signal anything: no JSON value may keep a message from being read."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter

from cases.messages import (
    ApprovalNotice,
    CancelRequest,
    CaseOutcome,
    CaseRequest,
    CustomerMessage,
)
from cases.state import CaseStatus

MESSAGES: list[type[BaseModel]] = [CaseRequest, CustomerMessage, ApprovalNotice, CancelRequest]
FIELDS = ["text", "case_id", "customer_id", "branch", "message_id", "approval_id", "verdict", "by"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def received(value: object, kind: type[BaseModel]) -> BaseModel:
    """The value as a worker reads it that was sent by something else than our own code."""
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
    [found] = pydantic_data_converter.payload_converter.from_payloads([payload], [kind])
    assert isinstance(found, kind)
    return found


@pytest.mark.parametrize("kind", MESSAGES)
@given(value=JSON)
def test_any_json_value_reads_as_a_message_of_texts(kind: type[BaseModel], value: object) -> None:
    found = received(value, kind)

    for name in kind.model_fields:
        assert type(getattr(found, name)) is (int if name == "version" else str)


@pytest.mark.parametrize("kind", MESSAGES)
@given(value=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_a_field_that_is_a_text_is_kept_and_any_other_reads_as_empty(
    kind: type[BaseModel], value: Mapping[str, object]
) -> None:
    found = received(value, kind)

    for name, field in kind.model_fields.items():
        if name == "version":
            continue
        given_value = value.get(name, field.default)
        assert getattr(found, name) == (given_value if isinstance(given_value, str) else "")


@pytest.mark.parametrize(
    ("given_version", "read"),
    [(7, 7), (0, 0), (-1, 0), (True, 0), ("7", 0), (7.0, 0), (None, 0), (2**62, 0), (10**30, 0)],
)
def test_a_version_that_cannot_be_one_reads_as_none_given(given_version: Any, read: int) -> None:
    sent = {"message_id": "m1", "version": given_version}
    assert CustomerMessage.of(sent) == CustomerMessage(message_id="m1", version=read)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (CaseRequest, "text"),
        (CustomerMessage, "text"),
        (ApprovalNotice, "approval_id"),
        (CancelRequest, "reason"),
    ],
)
def test_a_bare_text_fills_the_first_field(kind: type[BaseModel], field: str) -> None:
    found = received("I was charged twice.", kind)

    assert getattr(found, field) == "I was charged twice."
    assert found == kind.model_validate({field: "I was charged twice."})


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_without_any_value_is_empty(kind: type[BaseModel]) -> None:
    nothing = Payload(metadata={"encoding": b"binary/null"})
    [found] = pydantic_data_converter.payload_converter.from_payloads([nothing], [kind])

    assert received(None, kind) == kind()
    assert found in (None, kind())


def test_a_message_arrives_as_it_was_sent() -> None:
    sent = CaseRequest(text="I was charged twice.", case_id="case_1", customer_id="cus_1")
    [payload] = pydantic_data_converter.payload_converter.to_payloads([sent])
    [found] = pydantic_data_converter.payload_converter.from_payloads([payload], [CaseRequest])

    assert found == sent
    assert sent.branch == "main"


def test_the_result_of_a_case_names_its_status_in_words() -> None:
    outcome = CaseOutcome(case_id="case_1", status=CaseStatus.ANSWERED, version=9)

    assert json.loads(outcome.model_dump_json()) == {
        "case_id": "case_1",
        "status": "answered",
        "version": 9,
    }
