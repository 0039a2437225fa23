"""The adapter as the settings ask for it; every wrong setting is a sentence that names it."""

import logging
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from cases.errors import InvalidInput
from gateways.llm.model import PydanticAIModel
from gateways.llm.transport import http_client

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
_FORMS = "'offline', 'openai:NAME', 'anthropic:NAME' or 'openai-compatible:NAME'"
_HERE = ("127.0.0.1", "::1", "localhost")
#: A server of one's own may want no key; the SDK does.
_NO_KEY = "none"
#: What every server understands: one message of the system, at the start, and the older limit.
_COMPATIBLE = OpenAIModelProfile(
    supports_inline_system_prompts=False, openai_chat_supports_max_completion_tokens=False
)


def llm_model(
    name: str,
    *,
    base_url: str,
    api_key: str,
    timeout_s: int,
    topics: Mapping[str, str],
    variable: str = "CASEKEEPER_MODEL",
) -> PydanticAIModel:
    """The model of that name. Raises InvalidInput that names the variable, never with the key.

    `base_url` is that of a server which speaks OpenAI's protocol; Anthropic's is always its own.
    """
    _be_discreet()
    provider, _, model_name = name.partition(":")
    if provider not in ("openai", "anthropic", "openai-compatible") or not model_name.strip():
        raise InvalidInput(variable, f"{name[:60]!r} is not known: use {_FORMS}")
    http = http_client(timeout_s)
    if provider == "anthropic":
        model = anthropic_model(model_name, api_key, http)
    else:
        where = f"{variable}_URL"
        url = _checked(base_url, api_key, where) if base_url else _own_url(provider, api_key, where)
        dialect = None if provider == "openai" else _COMPATIBLE
        model = openai_model(model_name, api_key, http, url, dialect)
    return PydanticAIModel(name, model, http, timeout_s=timeout_s, topics=topics)


def openai_model(
    name: str,
    api_key: str,
    http: httpx2.AsyncClient,
    url: str,
    dialect: OpenAIModelProfile | None = None,
) -> Model:
    """A model behind OpenAI's protocol. Each request is sent once: Temporal asks again."""
    client = AsyncOpenAI(
        api_key=api_key or _NO_KEY,
        base_url=url,
        http_client=http,
        timeout=http.timeout,
        max_retries=0,
    )
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client), profile=dialect)


def anthropic_model(
    name: str, api_key: str, http: httpx2.AsyncClient, url: str = ANTHROPIC_URL
) -> Model:
    """A model behind Anthropic's protocol."""
    if not api_key:
        raise InvalidInput("ANTHROPIC_API_KEY", "a key of Anthropic is due for 'anthropic:...'")
    client = AsyncAnthropic(
        api_key=api_key, base_url=url, http_client=http, timeout=http.timeout, max_retries=0
    )
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))


def _own_url(provider: str, api_key: str, variable: str) -> str:
    if provider == "openai-compatible":
        problem = "the address of the server is due, such as http://127.0.0.1:8000/v1"
        raise InvalidInput(variable, problem)
    if not api_key:
        raise InvalidInput("OPENAI_API_KEY", "a key of OpenAI is due for 'openai:...'")
    return OPENAI_URL


def _checked(url: str, api_key: str, variable: str) -> str:
    parts = _split(url)
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        problem = "an address is due that begins with http:// or https://"
    elif "@" in parts.netloc:
        problem = "an address without a user and a password is due: the key has its own variable"
    elif api_key and parts.scheme == "http" and parts.hostname not in _HERE:
        problem = "https is due, except on this machine: the key travels with every request"
    else:
        return url
    raise InvalidInput(variable, problem)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _be_discreet() -> None:
    """Tell nobody what need not be told: at DEBUG these log whole requests."""
    for name in ("openai", "anthropic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
