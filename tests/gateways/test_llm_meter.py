"""What the meter is told of each request: before it, after it, and whatever happens between."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from cases.answers import AnswerFacts
from cases.errors import BudgetSpent, CaseError, ModelRefused, RateLimited
from cases.model_calls import CallEnd, Usage
from cases.state import CaseStatus
from tests.gateways.llm_played import NAME, TOPICS, play
from tests.gateways.llm_server import GOOD, Behaviour, answers, completion, hangs, says

TEXT = "Ich wurde zweimal belastet. 我被收取了两次费用。"


def _with_usage(usage: Any) -> Behaviour:
    return answers({**completion(json.dumps(GOOD)), "usage": usage})


async def test_a_call_begins_with_the_most_that_it_may_cost() -> None:
    async with play(says("prose"), says("y" * 7000), timeout_s=9) as played:
        await played.understand(TEXT)

    for (name, most), request in zip(played.meter.begun, played.server.requests, strict=True):
        sent = request.body
        assert name == NAME
        assert most.calls == 1
        assert most.tokens >= len(request.raw) + sent["max_completion_tokens"]
        assert most.milliseconds == 9000
        assert most.micro_usd > 0
    assert played.meter.begun[0][1].tokens < played.meter.begun[2][1].tokens < 60_000
    assert [r.body["max_completion_tokens"] for r in played.server.requests] == [400] * 3


async def test_an_opening_may_use_fewer_tokens() -> None:
    facts = AnswerFacts(closes_as=CaseStatus.ANSWERED)

    async with play(says({"opening": "sorry"})) as played:
        await played.model.pick_opening(["Hello"], facts, played.meter)

    (request,) = played.server.requests
    assert request.body["max_completion_tokens"] == 300
    assert request.body["temperature"] == 0


async def test_all_requests_of_an_answer_are_summed_up() -> None:
    async with play(says("prose")) as played:
        reply = await played.understand()

    assert (reply.input_tokens, reply.output_tokens) == (400, 60)
    # 0.15 and 0.60 USD for a million tokens.
    assert reply.micro_usd == 2 * 48
    assert [usage and usage.micro_usd for usage in played.usages] == [48, 48]
    assert reply.model == NAME
    assert reply.reasoning == ""


@pytest.mark.parametrize("name", ["openai-compatible:gpt-4o-mini", "openai:qwen3-of-our-own"])
async def test_a_model_without_a_list_price_costs_nothing(name: str) -> None:
    async with play(name=name) as played:
        reply = await played.understand()

    assert reply.micro_usd == 0
    assert played.meter.begun[0][1].micro_usd == 0


@pytest.mark.parametrize(
    "usage", [None, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}]
)
async def test_a_provider_that_does_not_count_is_charged_with_the_most(usage: Any) -> None:
    async with play(_with_usage(usage)) as played:
        reply = await played.understand()

    assert played.usages == [None]
    assert reply.input_tokens == 0


@pytest.mark.parametrize("told", [-5, 10**30, 10**400, "200", 1.5, "many", True, None, [1]])
async def test_what_a_provider_counts_is_believed_within_bounds(told: Any) -> None:
    usage = {"prompt_tokens": told, "completion_tokens": 30, "total_tokens": 1}

    async with play(_with_usage(usage)) as played:
        await played.understand()

    for used in played.usages:
        assert used is None or 0 <= used.input_tokens <= 10_000_000


async def test_a_call_that_is_cancelled_has_ended_and_may_have_cost_the_most() -> None:
    async with play(hangs) as played:
        asking = asyncio.create_task(played.understand())
        async with asyncio.timeout(5):
            while not played.server.requests:  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert played.ends == [CallEnd.UNAVAILABLE]
    assert played.usages == [None]


async def test_a_filtered_answer_is_paid_for() -> None:
    async with play(says("no", finish="content_filter")) as played:
        with pytest.raises(ModelRefused):
            await played.understand()

    (used,) = played.usages
    assert isinstance(used, Usage)
    assert (used.input_tokens, used.output_tokens, used.micro_usd) == (200, 30, 48)


@pytest.mark.parametrize(
    "refusal", [BudgetSpent("case", "tokens"), RateLimited(timedelta(seconds=5))]
)
async def test_where_the_meter_refuses_nothing_is_sent(refusal: CaseError) -> None:
    async with play() as played:
        played.meter.refuses = refusal
        with pytest.raises(type(refusal)):
            await played.understand(TEXT)

    assert played.server.requests == []


async def test_where_the_record_is_out_of_reach_its_error_goes_through() -> None:
    async with play() as played:
        played.meter.refuses = ConnectionResetError("the database")
        with pytest.raises(ConnectionResetError):
            await played.understand(TEXT)


async def test_a_hundred_questions_at_once_end_a_hundred_calls() -> None:
    async with play() as played:
        replies = await asyncio.gather(*(played.understand(f"{at} {TEXT}") for at in range(100)))

    assert played.ends == [CallEnd.ANSWERED] * 100
    assert {reply.understanding.reason for reply in replies} == {GOOD["reason"]}
    assert set(TOPICS) >= replies[0].understanding.needs
