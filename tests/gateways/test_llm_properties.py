"""Whatever a model answers, an understanding comes of it or no usable answer, in three requests."""

import json
from collections.abc import AsyncGenerator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.errors import ModelRefused, UnusableAnswer
from cases.understanding import Understanding
from tests.gateways.llm_played import TOPICS, Played, play
from tests.gateways.llm_server import GOOD, Behaviour, Json, answers, completion, says

_SHARED = settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["billing", "duplicate", "en", "high", 10**30, "ch_1", "\ud800", "\0"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
fields = st.sampled_from([*GOOD, "approved", "refund", "opening"])


def _nearly(changed: Json, gone: set[str]) -> Json:
    return {name: value for name, value in {**GOOD, **changed}.items() if name not in gone}


#: The form with some fields of it made into something else, taken away or added.
nearly = st.builds(
    _nearly,
    st.dictionaries(fields, values, max_size=2),
    st.sets(fields, max_size=1),
)
texts = st.one_of(nearly.map(json.dumps), values.map(json.dumps), st.text(max_size=200))


def _envelope(changed: Json, choice: Json, message: Json) -> Json:
    """OpenAI's form of a good answer, with some of it made into something else."""
    body = completion(json.dumps(GOOD))
    body["choices"][0]["message"] |= message
    body["choices"][0] |= choice
    return {**body, **changed}


envelopes = st.builds(
    _envelope,
    st.dictionaries(st.sampled_from(list(completion(""))), values, max_size=2),
    st.dictionaries(st.sampled_from(["index", "message", "finish_reason"]), values, max_size=1),
    st.dictionaries(
        st.sampled_from(["role", "content", "refusal", "tool_calls", "reasoning", "audio"]),
        values,
        max_size=2,
    ),
)
bodies = st.one_of(
    envelopes.map(lambda body: json.dumps(body).encode()),
    values.map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module")
async def played() -> AsyncGenerator[Played]:
    async with play() as opened:
        yield opened


async def _whatever(played: Played, *script: Behaviour) -> None:
    played.begin(*script, always=script[-1])
    try:
        reply = await played.understand()
    except (ModelRefused, UnusableAnswer):
        assert len(played.ends) <= 3
        return
    assert len(played.ends) <= 3
    assert type(reply.understanding) is Understanding
    assert reply.understanding.needs <= set(TOPICS)
    assert Understanding.model_validate_json(reply.understanding.model_dump_json())


@_SHARED
@given(st.lists(texts, min_size=1, max_size=3))
async def test_any_text_is_an_understanding_or_no_usable_answer(
    played: Played, said: list[str]
) -> None:
    await _whatever(played, *map(says, said))


@_SHARED
@given(bodies)
async def test_any_body_is_an_understanding_a_refusal_or_no_usable_answer(
    played: Played, body: bytes
) -> None:
    await _whatever(played, answers(body))
