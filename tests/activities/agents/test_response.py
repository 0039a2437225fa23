"""The response agent writes one answer, and only what is on record."""

import pytest

from activities.agents.response import ResponseAgent
from cases.answer_texts import Opening
from cases.answers import facts_of, template
from cases.effects import EffectState, RefundItem, RefundSection
from cases.errors import ModelUnavailable, UnusableAnswer
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseStatus
from cases.understanding import UnderstandingSection
from tests.activities.agents import assigned, tools
from tests.fakes import FakeModel
from tests.samples import order, usd

PAID = RefundSection.of(
    (RefundItem(charge_id="ch_2", amount=usd("49.99"), state=EffectState.SUCCEEDED),)
)
DECIDED = PolicySection(
    decision=Decision.REFUND,
    rule="proven_duplicate",
    reason="",
    policy_version=1,
    orders=(order(),),
)
SETTLED: tuple[Section, ...] = (DECIDED, PAID)
FACTS = facts_of(assigned(*SETTLED).case)


async def test_the_opening_that_the_model_picks_stands_before_our_own_words() -> None:
    model = FakeModel(opening=Opening.SORRY)
    finding = await ResponseAgent(tools(model=model)).process(assigned(*SETTLED))

    assert finding.section.answer == template(FACTS, "en", Opening.SORRY)
    assert "Hello,\n\nWe are sorry for the trouble" in finding.section.answer
    assert "refunded 49.99 USD" in finding.section.answer
    assert finding.section.closes_as is CaseStatus.ANSWERED
    assert not finding.section.sent
    assert finding.reason == "closes as answered; opening sorry"
    assert finding.provenance["model"] == "fake"


async def test_where_no_model_picks_an_opening_the_facts_stand_alone() -> None:
    model = FakeModel(error=UnusableAnswer("openai:x", "it does not fit the form"))
    finding = await ResponseAgent(tools(model=model)).process(assigned(*SETTLED))

    assert finding.section.answer == template(FACTS)
    assert not finding.section.failed
    assert finding.provenance["model"] == "none"
    assert "it does not fit the form" in finding.scratch


async def test_a_model_that_may_answer_later_is_asked_again() -> None:
    with pytest.raises(ModelUnavailable):
        await ResponseAgent(tools(model=FakeModel(error=ModelUnavailable("x", "gone")))).process(
            assigned(*SETTLED)
        )


async def test_the_answer_is_in_the_customers_language_where_we_have_it() -> None:
    for language, begins in (("de", "Guten Tag"), ("tlh", "Hello"), (None, "Hello")):
        read = UnderstandingSection(needs=("billing",), language=language and language[:2])
        finding = await ResponseAgent(tools()).process(assigned(read, *SETTLED))

        assert finding.section.answer.startswith(begins)
        assert "49.99 USD" in finding.section.answer


async def test_the_model_is_told_the_messages_and_the_facts_and_nothing_else() -> None:
    model = FakeModel()
    await ResponseAgent(tools(model=model)).process(assigned(*SETTLED))

    assert model.answered == [("I was charged twice.", FACTS)]


async def test_a_cancelled_case_is_answered_without_a_model() -> None:
    model = FakeModel(error=ConnectionError())
    finding = await ResponseAgent(tools(model=model)).process(assigned(*SETTLED, cancelled=True))

    assert finding.section.closes_as is CaseStatus.CANCELLED
    assert "49.99 USD" in finding.section.answer
    assert model.answered == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_when_no_model_answers_the_fixed_text_says_the_same(*, cancelled: bool) -> None:
    given = assigned(*SETTLED, cancelled=cancelled)
    section = ResponseAgent(tools()).failed(given, "no answer")

    assert section.failed
    assert section.answer == template(facts_of(given.case, cancelled=cancelled))
    assert section.closes_as is (CaseStatus.CANCELLED if cancelled else CaseStatus.ANSWERED)
