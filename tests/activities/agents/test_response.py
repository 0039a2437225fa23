"""The response agent writes one answer, and only what is on record."""

import pytest

from activities.agents.response import ResponseAgent
from cases.answers import facts_of, template
from cases.effects import EffectState, RefundItem, RefundSection
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseStatus
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


async def test_the_models_text_goes_out_as_written_where_its_numbers_are_on_record() -> None:
    model = FakeModel(answer="Sorry! We have refunded 49.99 USD.")
    finding = await ResponseAgent(tools(model=model)).process(assigned(*SETTLED))

    assert finding.section.answer == "Sorry! We have refunded 49.99 USD."
    assert finding.section.closes_as is CaseStatus.ANSWERED
    assert not finding.section.sent
    assert finding.reason == "closes as answered; the model's text as written"
    assert finding.provenance["model"] == "fake"


@pytest.mark.parametrize(
    "text", ["We have refunded 499.90 USD.", "We have refunded you.", "", "49.99 USD, and 5 more"]
)
async def test_wrong_numbers_are_replaced_by_the_fixed_text_and_the_audit_says_so(
    text: str,
) -> None:
    finding = await ResponseAgent(tools(model=FakeModel(answer=text))).process(assigned(*SETTLED))

    assert finding.section.answer == template(facts_of(assigned(*SETTLED).case))
    assert "49.99 USD" in finding.section.answer
    assert finding.reason.endswith("the model's text replaced by the fixed text")


async def test_the_model_is_told_the_facts_and_nothing_else_of_the_case() -> None:
    model = FakeModel()
    await ResponseAgent(tools(model=model)).process(assigned(*SETTLED))

    assert model.written == [facts_of(assigned(*SETTLED).case)]


async def test_a_cancelled_case_is_answered_without_a_model() -> None:
    model = FakeModel(error=ConnectionError())
    finding = await ResponseAgent(tools(model=model)).process(assigned(*SETTLED, cancelled=True))

    assert finding.section.closes_as is CaseStatus.CANCELLED
    assert "49.99 USD" in finding.section.answer
    assert model.written == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_when_no_model_answers_the_fixed_text_says_the_same(*, cancelled: bool) -> None:
    given = assigned(*SETTLED, cancelled=cancelled)
    section = ResponseAgent(tools()).failed(given, "no answer")

    assert section.failed
    assert section.answer == template(facts_of(given.case, cancelled=cancelled))
    assert section.closes_as is (CaseStatus.CANCELLED if cancelled else CaseStatus.ANSWERED)
