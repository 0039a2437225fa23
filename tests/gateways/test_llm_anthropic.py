"""The same adapter behind Anthropic's protocol: one good answer, and what differs from OpenAI's."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from cases.errors import ModelRefused, ModelUnavailable, UnusableAnswer
from cases.model_calls import CallEnd
from gateways.llm.configured import anthropic_model
from gateways.llm.model import PydanticAIModel
from gateways.llm.transport import http_client
from tests.gateways.llm_played import KEY, TOPICS, Played
from tests.gateways.llm_server import GOOD, Behaviour, ModelServer, answers, hangs

NAME = "claude-haiku-4-5"
#: It is not known to enforce schemas, so that the schema stands in the prompt.
UNKNOWN = "claude-of-somebody"


@pytest.fixture(params=[NAME, UNKNOWN])
async def played(request: pytest.FixtureRequest) -> AsyncGenerator[Played]:
    name: str = request.param
    http = http_client(1)
    async with ModelServer.run() as server:
        model = anthropic_model(name, KEY, http, server.url.removesuffix("/v1"))
        adapter = PydanticAIModel(f"anthropic:{name}", model, http, timeout_s=1, topics=TOPICS)
        yield Played(server, adapter)
        await adapter.aclose()


def _says(text: str, stop_reason: str = "end_turn") -> Behaviour:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": NAME,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 200, "output_tokens": 30},
    }
    return answers(message)


def _fails(status: int, headers: dict[str, str] | None = None) -> Behaviour:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "No."}}
    return answers(error, status, headers)


async def test_a_good_answer_is_understood(played: Played) -> None:
    played.begin(_says(json.dumps(GOOD)))
    reply = await played.understand()

    (request,) = played.server.requests
    assert request.path.startswith("/v1/messages")
    assert KEY in request.headers["authorization"]
    assert request.body["max_tokens"] == 400
    assert request.body["temperature"] == 0
    assert reply.understanding.needs == {"billing"}
    assert (reply.input_tokens, reply.output_tokens) == (200, 30)
    assert (reply.micro_usd > 0) is (NAME in reply.model)
    assert played.ends == [CallEnd.ANSWERED]
    assert played.meter.begun[0][1].tokens >= len(request.raw) + 400


@pytest.mark.parametrize("bad", [_says("prose"), _says(""), _says("{", "max_tokens")])
async def test_a_useless_answer_is_repaired_at_most_twice(played: Played, bad: Behaviour) -> None:
    played.begin(bad, bad, bad)
    with pytest.raises(UnusableAnswer):
        await played.understand()

    assert played.ends == [CallEnd.ANSWERED] * 3


@pytest.mark.parametrize("bad", [_fails(529), _fails(500), hangs])
async def test_an_overloaded_provider_is_asked_once(played: Played, bad: Behaviour) -> None:
    played.begin(bad)
    with pytest.raises(ModelUnavailable):
        await played.understand()

    assert played.ends == [CallEnd.UNAVAILABLE]


async def test_its_wait_is_kept(played: Played) -> None:
    played.begin(_fails(429, {"Retry-After": "7"}))
    with pytest.raises(ModelUnavailable) as caught:
        await played.understand()

    assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("bad", [_says("", "refusal"), _fails(401), _fails(400)])
async def test_a_refusal_is_one(played: Played, bad: Behaviour) -> None:
    played.begin(bad)
    with pytest.raises(ModelRefused):
        await played.understand()

    assert played.ends == [CallEnd.REFUSED]


async def test_an_answer_without_end_is_cut_off(played: Played) -> None:
    played.begin(_says("x" * 10_000_000))
    with pytest.raises(UnusableAnswer, match="too large"):
        await played.understand()

    assert played.ends == [CallEnd.UNUSABLE]
