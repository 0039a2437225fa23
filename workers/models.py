"""Constructs the language models that are paid by the call, from the settings."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from activities.agents import investigators
from activities.metering import ModelLimits
from activities.model_chain import PaidModels
from cases.errors import InvalidInput
from cases.model_calls import CASE_BUDGET, CUSTOMER_BUDGET, Budget
from cases.model_ports import MeteredModel, ModelCalls
from cases.ports import RateLimits
from cases.rates import Rate
from runtime.settings import Settings

T = TypeVar("T")

_OFFLINE = "offline"


def paid_models(settings: Settings, calls: ModelCalls, rates: RateLimits) -> PaidModels | None:
    """The configured model and the one after it; None where that is the offline one alone.

    Raises InvalidInput that names the variable.
    """
    models = tuple(configured_models(settings))
    limits = ModelLimits(
        calls=calls,
        rates=rates,
        model=_given(Rate.parse, settings.model_rate, "CASEKEEPER_MODEL_RATE"),
        customer=_given(Rate.parse, settings.customer_rate, "CASEKEEPER_CUSTOMER_RATE"),
        case_budget=_budget(settings.case_budget, "CASEKEEPER_CASE_BUDGET", CASE_BUDGET),
        customer_budget=_budget(
            settings.customer_budget, "CASEKEEPER_CUSTOMER_BUDGET", CUSTOMER_BUDGET
        ),
    )
    return PaidModels(models, limits) if models else None


def configured_models(settings: Settings) -> Iterator[MeteredModel]:
    """The models of the settings but the offline one; raises InvalidInput naming the variable."""
    first = settings.model, settings.model_url, settings.model_key
    second = settings.model_fallback, settings.model_fallback_url, settings.model_fallback_key
    for variable, (name, url, key) in (
        ("CASEKEEPER_MODEL", first),
        ("CASEKEEPER_MODEL_FALLBACK", second),
    ):
        if name not in ("", _OFFLINE):
            own = key.get_secret_value()
            yield _model(variable, name, url, own or _providers_key(name, url, settings), settings)


def _model(variable: str, name: str, url: str, key: str, settings: Settings) -> MeteredModel:
    try:
        from gateways.llm.configured import llm_model  # noqa: PLC0415  an extra
    except ImportError as error:
        problem = f"{name!r} needs more packages: install casekeeper[llm] ({error})"
        raise InvalidInput(variable, problem) from error
    return llm_model(
        name,
        base_url=url,
        api_key=key,
        timeout_s=settings.model_timeout_s,
        topics={topic: agent.about or agent.summary for topic, agent in investigators().items()},
        variable=variable,
    )


def _providers_key(name: str, url: str, settings: Settings) -> str:
    """The key of the provider itself, which no other server is told."""
    keys = {"openai": settings.openai_api_key, "anthropic": settings.anthropic_api_key}
    key = keys.get(name.partition(":")[0])
    return key.get_secret_value() if key and not url else ""


def _budget(text: str, variable: str, otherwise: Budget) -> Budget:
    return _given(Budget.parse, text, variable) or otherwise


def _given(parse: Callable[[str, str], T], text: str, variable: str) -> T | None:
    return parse(text, variable) if text else None
