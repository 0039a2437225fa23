"""How a model is chosen: every wrong setting is a sentence that names it, never with the key."""

import pytest

from cases.errors import InvalidInput
from cases.model_ports import MeteredModel
from gateways.llm.configured import llm_model
from gateways.llm.model import PydanticAIModel
from tests.gateways.llm_played import KEY, TOPICS, NotingMeter, play

URL = "http://127.0.0.1:8000/v1"


def _model(name: str, *, url: str = "", key: str = KEY) -> PydanticAIModel:
    return llm_model(name, base_url=url, api_key=key, timeout_s=5, topics=TOPICS)


@pytest.mark.parametrize(
    ("name", "url", "key"),
    [
        ("openai:gpt-4o-mini", "", KEY),
        ("openai:gpt-4o-mini", URL, KEY),
        ("openai:gpt-4o-mini", "https://proxy.example.com/openai/v1/", KEY),
        ("openai:o3", "", KEY),
        ("openai-compatible:qwen3:8b", URL, ""),
        ("openai-compatible:org/model", "http://models.example.com/v1", ""),
        ("openai-compatible:x", "http://[::1]:8000/v1", KEY),
        ("anthropic:claude-haiku-4-5", "", KEY),
    ],
)
async def test_a_model_has_the_name_that_it_was_chosen_by(name: str, url: str, key: str) -> None:
    model: MeteredModel = _model(name, url=url, key=key)

    assert model.name == name
    assert not key or key not in repr(model) + repr(vars(model))


@pytest.mark.parametrize(
    "name", ["", "gpt-4o", "openai", "openai:", "openai: ", "OpenAI:gpt-4o", "cohere:x", ":x"]
)
def test_a_name_that_is_not_known_is_refused_with_the_forms_that_are(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_MODEL: .*'openai-compatible:NAME'$"):
        _model(name, url=URL)


def test_a_server_of_ones_own_needs_its_address() -> None:
    with pytest.raises(
        InvalidInput, match=r"^CASEKEEPER_MODEL_URL: the address of the server is due"
    ):
        _model("openai-compatible:x")


@pytest.mark.parametrize(
    ("name", "variable"), [("openai:x", "OPENAI_API_KEY"), ("anthropic:x", "ANTHROPIC_API_KEY")]
)
def test_a_provider_needs_its_key(name: str, variable: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{variable}: a key of "):
        _model(name, key="")


@pytest.mark.parametrize("provider", ["openai", "openai-compatible"])
@pytest.mark.parametrize(
    "url",
    [
        "models.example.com/v1",
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "http://",
        "http://[",
        "https://user:canary@example.com/v1",
        "http://user@127.0.0.1/v1",
        "http://models.example.com/v1",
        "http://127.0.0.1.example.com/v1",
    ],
)
def test_an_address_that_would_betray_the_key_is_refused(provider: str, url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_MODEL_URL: ") as caught:
        _model(f"{provider}:x", url=url)

    assert KEY not in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_what_the_environment_says_to_the_sdks_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "canary")

    async with play() as played:
        await played.understand()
        models = [_model("openai:x"), _model("anthropic:claude-haiku-4-5")]
        urls = [str(vars(model)["_model"].base_url) for model in models]

    assert played.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert urls == ["https://api.openai.com/v1/", "https://api.anthropic.com"]


async def test_a_server_of_ones_own_is_asked_in_the_plainest_way() -> None:
    async with play(name="openai-compatible:qwen3:8b") as played:
        await played.model.understand(["Hello"], NotingMeter())

    (request,) = played.server.requests
    assert request.body["model"] == "qwen3:8b"
    assert request.body["max_tokens"] == 400
    assert "max_completion_tokens" not in request.body


async def test_a_model_that_always_thinks_gets_no_temperature() -> None:
    async with play(name="openai:gpt-5") as played:
        await played.understand()

    (request,) = played.server.requests
    assert "temperature" not in request.body
    assert request.body["reasoning_effort"] == "minimal"
