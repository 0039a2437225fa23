"""The response agent: one answer from all findings."""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.answers import checked, facts_of, template
from cases.effects import ResolutionSection
from cases.sections import Section


class ResponseAgent(Agent[ResolutionSection]):
    section: ClassVar[type[Section]] = ResolutionSection
    summary: ClassVar[str] = "Write the answer to the customer"
    reads_durable: ClassVar[bool] = True

    async def process(self, assignment: Assignment) -> Finding[ResolutionSection]:
        """Let the model write, and send its text only if its numbers are those on record."""
        facts = facts_of(assignment.case, cancelled=assignment.cancelled)
        if assignment.cancelled:
            return Finding(
                ResolutionSection(answer=template(facts), closes_as=facts.closes_as),
                reason="cancelled: the fixed text",
            )
        reply = await self.tools.model.write_answer(facts)
        answer = checked(reply.text, facts)
        kept = "as written" if answer == reply.text else "replaced by the fixed text"
        return Finding(
            ResolutionSection(answer=answer, closes_as=facts.closes_as),
            reason=f"closes as {facts.closes_as}; the model's text {kept}",
            provenance=reply.provenance(),
            scratch=reply.reasoning,
        )

    def failed(self, assignment: Assignment, error: str) -> ResolutionSection:
        """No model answered: the fixed text says the same."""
        facts = facts_of(assignment.case, cancelled=assignment.cancelled)
        return ResolutionSection(
            status="failed", error=error, answer=template(facts), closes_as=facts.closes_as
        )
