"""The response agent: one answer from all findings."""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.answer_texts import FALLBACK, Opening
from cases.answers import AnswerFacts, facts_of, template
from cases.effects import ResolutionSection
from cases.errors import NoAnswer
from cases.model_ports import OpeningReply
from cases.sections import Section
from cases.state import CaseState, newest
from cases.understanding import UnderstandingSection


class ResponseAgent(Agent[ResolutionSection]):
    section: ClassVar[type[Section]] = ResolutionSection
    summary: ClassVar[str] = "Write the answer to the customer"
    reads_durable: ClassVar[bool] = True

    async def process(self, assignment: Assignment) -> Finding[ResolutionSection]:
        """Say the facts in our own words; the model picks the kind ones before them."""
        facts = facts_of(assignment.case, cancelled=assignment.cancelled)
        language = _language(assignment)
        if assignment.cancelled:
            return Finding(
                ResolutionSection(answer=template(facts, language), closes_as=facts.closes_as),
                reason="cancelled: the fixed text",
            )
        opening = await self._opening(assignment.case, facts)
        answer = template(facts, language, opening.opening)
        return Finding(
            ResolutionSection(answer=answer, closes_as=facts.closes_as),
            reason=f"closes as {facts.closes_as}; opening {opening.opening}",
            provenance=opening.provenance(),
            scratch=opening.reasoning,
        )

    async def _opening(self, case: CaseState, facts: AnswerFacts) -> OpeningReply:
        """Kindness is no reason to fail: where no model has an answer the facts stand alone."""
        messages = [message.text for message in newest(case.messages)]
        try:
            return await self.tools.model.pick_opening(messages, facts)
        except NoAnswer as error:
            return OpeningReply(
                model="none", prompt_hash="none", opening=Opening.NONE, reasoning=str(error)
            )

    def failed(self, assignment: Assignment, error: str) -> ResolutionSection:
        """No model answered: the fixed text says the same."""
        facts = facts_of(assignment.case, cancelled=assignment.cancelled)
        answer = template(facts, _language(assignment))
        return ResolutionSection(
            status="failed", error=error, answer=answer, closes_as=facts.closes_as
        )


def _language(assignment: Assignment) -> str:
    """The customer's own, where it is known."""
    understanding = assignment.case.get(UnderstandingSection)
    return (understanding and understanding.language) or FALLBACK
