"""What becomes of each fault on the way to a model and back: which error, and what is counted."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cases.errors import CaseError, ModelRefused, ModelUnavailable, UnusableAnswer
from cases.model_calls import CallEnd
from gateways.llm.configured import llm_model
from gateways.llm.transport import MOST_BYTES
from tests.gateways.llm_played import KEY, NAME, TOPICS, NotingMeter, play
from tests.gateways.llm_server import (
    GOOD,
    Behaviour,
    answers,
    breaks_off,
    completion,
    drips,
    fails,
    hangs,
    never_ends,
    says,
)

#: Stands in every error's body, and must not come through.
CANARY = "canary-of-the-provider"

SLOW = [hangs, drips]
LATER = [fails(status, error=CANARY) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)]
NEVER = [fails(status, error=CANARY) for status in (400, 401, 402, 403, 404, 413, 422)]
FILTERED = [
    says(CANARY, finish="content_filter"),
    says("", finish="content_filter"),
    answers(completion(None, refusal=CANARY)),
]
TOO_MUCH = [
    never_ends,
    says("x" * 10_000_000),
    answers(b" " * (MOST_BYTES + 1)),
    fails(400, {}, message="x" * MOST_BYTES),
    answers(gzip.compress(b"0" * 50_000_000), 200, {"Content-Encoding": "gzip"}),
]
REDIRECTS = [
    answers(b"", status, {"Location": url})
    for status in (301, 302, 307, 308)
    for url in ("/v1/elsewhere", "http://127.0.0.1:9/v1")
]


async def _only_request(behaviour: Behaviour, timeout_s: int = 20) -> tuple[CaseError, CallEnd]:
    """The error that the one request came to; no second one is sent."""
    async with play(behaviour, timeout_s=timeout_s) as played:
        with pytest.raises(CaseError) as caught:
            await played.understand()
        (end,) = played.ends
    wait = caught.value.retry_after
    assert played.meter.pauses == ([(NAME, wait)] if wait else [])
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value, end


@pytest.mark.parametrize("behaviour", [*LATER, breaks_off])
async def test_what_may_go_better_later_is_unavailable_and_sent_once(behaviour: Behaviour) -> None:
    error, end = await _only_request(behaviour)

    assert isinstance(error, ModelUnavailable)
    assert error.retry_after is None
    assert end is CallEnd.UNAVAILABLE


@pytest.mark.parametrize("behaviour", SLOW)
async def test_a_model_that_hangs_or_drips_is_cut_off_after_its_time(behaviour: Behaviour) -> None:
    began = asyncio.get_running_loop().time()

    error, end = await _only_request(behaviour, timeout_s=1)

    assert isinstance(error, ModelUnavailable)
    assert end is CallEnd.UNAVAILABLE
    assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize("behaviour", [*NEVER, *FILTERED])
async def test_what_never_goes_better_is_refused(behaviour: Behaviour) -> None:
    error, end = await _only_request(behaviour)

    assert isinstance(error, ModelRefused)
    assert end is CallEnd.REFUSED


@pytest.mark.parametrize("behaviour", [*TOO_MUCH, *REDIRECTS])
async def test_an_answer_that_is_too_large_or_from_elsewhere_is_not_read(
    behaviour: Behaviour,
) -> None:
    error, end = await _only_request(behaviour)

    assert isinstance(error, UnusableAnswer)
    assert end is CallEnd.UNUSABLE


async def test_the_connection_of_an_answer_that_is_too_large_is_closed() -> None:
    async with play(never_ends) as played:
        with pytest.raises(UnusableAnswer):
            await played.understand()
        async with asyncio.timeout(5):
            while played.server.connections:  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.01)


async def test_an_answer_as_large_as_is_allowed_is_read() -> None:
    good = json.dumps(completion(json.dumps(GOOD))).encode()

    async with play(answers(good.ljust(MOST_BYTES))) as played:
        reply = await played.understand()

    assert reply.understanding.needs == {"billing"}


async def test_where_nobody_listens_nothing_was_sent_and_nothing_is_to_be_paid() -> None:
    url = "http://127.0.0.1:1/v1"
    model = llm_model(NAME, base_url=url, api_key=KEY, timeout_s=5, topics=TOPICS)
    meter = NotingMeter()

    with pytest.raises(ModelUnavailable, match="no connection"):
        await model.understand(["Hello"], meter)
    await model.aclose()

    ((end, usage),) = meter.ended.values()
    assert end is CallEnd.UNAVAILABLE
    assert usage is not None
    assert usage.input_tokens == usage.output_tokens == usage.micro_usd == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "Retry-After": "7"}, 1.5),
        ({"Retry-After": "999999999999"}, 3600),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "1e400"}, None),
        ({"Retry-After": "NaN"}, None),
        ({"retry-after-ms": "NaN"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
    ],
)
async def test_the_wait_of_a_429_is_the_providers_where_it_is_one(
    headers: dict[str, str], seconds: float | None
) -> None:
    error, _ = await _only_request(fails(429, headers))

    assert error.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_the_wait_of_a_429_may_be_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)

    error, _ = await _only_request(fails(429, {"Retry-After": format_datetime(soon, usegmt=True)}))

    assert error.retry_after is not None
    assert timedelta(seconds=80) < error.retry_after <= timedelta(seconds=90)


@pytest.mark.parametrize("status", [429, 503, 529, 401])
async def test_what_the_provider_did_not_do_costs_nothing(status: int) -> None:
    async with play(fails(status)) as played:
        with pytest.raises(CaseError):
            await played.understand()

    (usage,) = played.usages
    assert usage is not None
    assert usage.input_tokens == usage.output_tokens == usage.micro_usd == 0


@pytest.mark.parametrize("behaviour", [fails(500), fails(504), breaks_off, never_ends])
async def test_what_the_provider_may_have_done_costs_the_most_that_it_may(
    behaviour: Behaviour,
) -> None:
    async with play(behaviour) as played:
        with pytest.raises(CaseError):
            await played.understand()

    assert played.usages == [None]


async def test_a_model_that_failed_once_answers_the_next_time() -> None:
    async with play(fails(503), breaks_off) as played:
        for _ in range(2):
            with pytest.raises(ModelUnavailable):
                await played.understand()
        reply = await played.understand()

    assert reply.understanding.needs == {"billing"}
    assert played.ends == [CallEnd.UNAVAILABLE, CallEnd.UNAVAILABLE, CallEnd.ANSWERED]
