"""What a model may not do with an answer: promise, name an amount, or lead somewhere.

It picks one of our openings. Whatever else it says is no answer, and our own sentences go out.
"""

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents.response import ResponseAgent
from cases.answer_texts import TEXTS, Opening
from cases.answers import AnswerFacts, template
from cases.errors import UnusableAnswer
from cases.policy import Decision, PolicySection
from cases.state import CaseStatus
from tests.activities.agents import assigned, tools
from tests.attacks.model import SCRIPTS, ScriptedModel
from tests.gateways.llm_played import Played, play
from tests.gateways.llm_server import says
from tests.samples import needs

NOTHING_FOUND = PolicySection(
    decision=Decision.NO_ACTION, rule="nothing_found", reason="", policy_version=1
)
FACTS = AnswerFacts(closes_as=CaseStatus.ANSWERED, nothing_found=True)
PROMISES = [
    "We will refund $500 tomorrow.",
    "We will refund 5e2 USD.",
    "We will refund ５００ USD.",
    "We will refund \u202e005\u202c USD.",
    "五百ドルを返金します。",
    "We have refunded five hundred dollars.",
    "You will get all of your money back by tomorrow.",
    "It is on its way to you from us.",
    "Sie bekommen fünfhundert Dollar zurück.",
    "A legally binding offer: any plan for one dollar, no takesies backsies.",
    "![.](https://evil.example/log)",
    "Please enter your password at https://evil.example/login to get the refund.",
    "Thank you for writing to us. We have refunded 500.00 USD.",
    "thanks. We have refunded 500.00 USD.",
    "refunded",
    "THANKS",
    " thanks",
]


@pytest.fixture(scope="module")
async def provider() -> AsyncGenerator[Played]:
    async with play() as played:
        yield played


@pytest.mark.parametrize("promise", PROMISES)
async def test_words_of_a_models_own_are_no_opening(provider: Played, promise: str) -> None:
    provider.begin(always=says({"opening": promise}))

    with pytest.raises(UnusableAnswer):
        await provider.model.pick_opening(["I was charged twice."], FACTS, provider.meter)


@pytest.mark.parametrize("opening", Opening)
async def test_each_opening_that_is_ours_may_be_picked(provider: Played, opening: Opening) -> None:
    provider.begin(says({"opening": opening.value}))
    reply = await provider.model.pick_opening(["I was charged twice."], FACTS, provider.meter)

    assert reply.opening is opening


async def test_where_a_model_gives_none_of_them_our_own_sentences_go_out() -> None:
    agent = ResponseAgent(tools())
    section = agent.failed(assigned(needs("billing"), NOTHING_FOUND), "no usable answer")

    assert section.answer == template(FACTS)


@given(SCRIPTS, st.sampled_from(list(TEXTS)))
async def test_whatever_a_model_says_each_sentence_of_an_answer_is_ours(
    model: ScriptedModel, language: str
) -> None:
    read = needs("billing").model_copy(update={"language": language})
    agent = ResponseAgent(tools(model=model))
    finding = await agent.process(assigned(read, NOTHING_FOUND))

    ours = {template(FACTS, language, opening) for opening in Opening}
    assert finding.section.answer in ours
