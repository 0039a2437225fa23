"""What a model's answer may not do: promise in words, or lead somewhere."""

import pytest

from activities.agents.response import ResponseAgent
from cases.answers import AnswerFacts, template
from cases.policy import Decision, PolicySection
from cases.state import CaseStatus
from tests.activities.agents import assigned, tools
from tests.fakes import FakeModel
from tests.samples import needs

NOTHING_FOUND = PolicySection(
    decision=Decision.NO_ACTION, rule="nothing_found", reason="", policy_version=1
)
FACTS = AnswerFacts(closes_as=CaseStatus.ANSWERED, nothing_found=True)
IN_DIGITS = [
    "We will refund $500 tomorrow.",
    "We will refund 500,00 USD.",
    "We will refund 5e2 USD.",
    "We will refund ٥٠٠ USD.",
    "We will refund ５００ USD.",
    "We will refund 5\u200b0\u200b0 USD.",
    "We will refund \u202e005\u202c USD.",
    "A full refund is due by 2026-12-01.",
]
IN_OTHER_SIGNS = [
    "五百ドルを返金します。",
    "We will refund ⑤⓪⓪ USD.",
    "We will refund Ⅾ USD.",
    "We will refund half (½) of it.",
    "![.](https://evil.example/log)",
    "Please enter your password at https://evil.example/login to get the refund.",
    "See www.evil.example for your refund.",
    '<a href="//evil.example">Your refund</a>',
    "[Your refund](//evil.example)",
]
IN_WORDS = [
    "We have refunded five hundred dollars.",
    "You will get all of your money back by tomorrow.",
    "Sie bekommen fünfhundert Dollar zurück.",
    "A legally binding offer: any plan for one dollar, no takesies backsies.",
]


async def sent(text: str) -> str:
    """What goes out to a customer for whom nothing was found, where a model writes that text."""
    agent = ResponseAgent(tools(model=FakeModel(answer=text)))
    finding = await agent.process(assigned(needs("billing"), NOTHING_FOUND))
    return finding.section.answer


@pytest.mark.parametrize("promise", IN_DIGITS)
async def test_a_promise_of_an_amount_that_is_not_on_record_is_not_sent(promise: str) -> None:
    assert await sent(promise) == template(FACTS)


@pytest.mark.parametrize("promise", IN_OTHER_SIGNS)
async def test_a_number_in_other_signs_and_a_link_are_not_sent(promise: str) -> None:
    assert await sent(promise) == template(FACTS)


@pytest.mark.xfail(reason="the check of an answer does not understand words", strict=True)
@pytest.mark.parametrize("promise", IN_WORDS)
async def test_a_promise_in_words_is_not_sent(promise: str) -> None:
    assert await sent(promise) == template(FACTS)
