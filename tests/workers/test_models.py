"""Which language models the settings ask for, and what each of them is told."""

import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from activities.agents import investigators
from activities.model_chain import PaidModels
from cases.errors import InvalidInput
from cases.model_calls import CASE_BUDGET, CUSTOMER_BUDGET
from cases.rates import Rate
from runtime.settings import Settings
from tests.activities.test_metering import Waits
from tests.fakes import FakeModelCalls
from tests.gateways.llm_played import NotingMeter
from tests.gateways.llm_server import ModelServer
from workers.models import configured_models, paid_models

OWN = "openai-compatible:tiny"
OPENAI_KEY, OWN_KEY = "sk-canary-of-openai", "canary-of-our-own"


@pytest.fixture
async def server() -> AsyncGenerator[ModelServer]:
    async with ModelServer.run() as own:
        yield own


def settings(**given: Any) -> Settings:
    return Settings.model_construct().model_copy(update=given)


def paid(**given: Any) -> PaidModels | None:
    return paid_models(settings(**given), FakeModelCalls(), Waits())


@pytest.mark.parametrize("given", [{}, {"model": "offline"}, {"model_fallback": "offline"}])
def test_the_offline_model_alone_is_no_paid_model(given: dict[str, str]) -> None:
    assert paid(**given) is None


async def test_the_model_is_asked_before_its_fallback(server: ModelServer) -> None:
    first, second = ("openai-compatible:a", "openai-compatible:b")
    models = paid(
        model=first, model_url=server.url, model_fallback=second, model_fallback_url=server.url
    )

    assert models
    assert [one.name for one in models.models] == [first, second]
    assert (models.limits.case_budget, models.limits.customer_budget) == (
        CASE_BUDGET,
        CUSTOMER_BUDGET,
    )
    for one in models.models:
        await one.aclose()


async def test_a_providers_own_key_is_told_to_no_other_server(server: ModelServer) -> None:
    keys = {"openai_api_key": SecretStr(OPENAI_KEY), "anthropic_api_key": SecretStr(OPENAI_KEY)}
    for name in (OWN, "openai:gpt-4o-mini"):
        [model] = configured_models(settings(model=name, model_url=server.url, **keys))
        await model.understand(["Hello."], NotingMeter())
        await model.aclose()

    assert len(server.requests) == 2
    assert all(OPENAI_KEY not in str(request.headers) for request in server.requests)


async def test_a_server_of_ones_own_is_told_its_own_key(server: ModelServer) -> None:
    [model] = configured_models(
        settings(model=OWN, model_url=server.url, model_key=SecretStr(OWN_KEY))
    )
    await model.understand(["Hello."], NotingMeter())
    await model.aclose()

    assert OWN_KEY in server.requests[0].headers["authorization"]


async def test_a_model_is_told_the_need_of_every_agent_that_has_one(server: ModelServer) -> None:
    [model] = configured_models(settings(model=OWN, model_url=server.url))
    await model.understand(["Hello."], NotingMeter())
    await model.aclose()

    told = str(server.requests[0].body)
    for topic, agent in investigators().items():
        assert topic in told
        assert agent.about
        assert agent.about in told


def test_rates_and_budgets_are_those_of_the_settings() -> None:
    models = paid(
        model=OWN,
        model_url="http://127.0.0.1:9/v1",
        model_rate="60/min",
        customer_rate="9/day",
        case_budget="2 calls, 10 tokens, 3 s, 0.01 USD",
        customer_budget="4 calls, 20 tokens, 6 s, 1 USD",
    )

    assert models
    limits = models.limits
    assert (limits.model, limits.customer) == (Rate.parse("60/min"), Rate.parse("9/day"))
    assert (limits.case_budget.calls, limits.customer_budget.micro_usd) == (2, 1_000_000)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "gpt"}, "CASEKEEPER_MODEL: 'gpt' is not known"),
        ({"model_fallback": "gpt"}, "CASEKEEPER_MODEL_FALLBACK: 'gpt' is not known"),
        ({"model_fallback": OWN}, "CASEKEEPER_MODEL_FALLBACK_URL: the address of the server"),
        ({"model": "anthropic:x"}, "ANTHROPIC_API_KEY: a key of Anthropic is due"),
        ({"model_rate": "60"}, "CASEKEEPER_MODEL_RATE: '60' is not a rate"),
        ({"customer_rate": "x"}, "CASEKEEPER_CUSTOMER_RATE: 'x' is not a rate"),
        ({"case_budget": "8"}, "CASEKEEPER_CASE_BUDGET: '8' is not a budget"),
        ({"customer_budget": "8"}, "CASEKEEPER_CUSTOMER_BUDGET: '8' is not a budget"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        paid(**given)

    assert str(refused.value).startswith(told)


def test_without_the_extra_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("gateways.llm")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)

    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_MODEL: .* install casekeeper\[llm\]"):
        paid(model=OWN, model_url="http://127.0.0.1:9/v1")


def test_two_models_that_always_time_out_are_within_a_cases_seconds() -> None:
    timeout = timedelta(seconds=Settings.model_fields["model_timeout_s"].default)

    assert 6 * timeout <= timedelta(seconds=CASE_BUDGET.seconds)
