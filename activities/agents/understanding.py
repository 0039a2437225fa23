"""The understanding agent: what do the customer's messages need?"""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.sections import Section
from cases.state import CaseStatus
from cases.understanding import UnderstandingSection


class UnderstandingAgent(Agent[UnderstandingSection]):
    section: ClassVar[type[Section]] = UnderstandingSection
    summary: ClassVar[str] = "Read what the customer wrote"

    async def process(self, assignment: Assignment) -> Finding[UnderstandingSection]:
        """Read the messages that were not read yet; each costs one model call."""
        section = assignment.case.get(UnderstandingSection) or UnderstandingSection()
        provenance: dict[str, str] = {}
        notes = [assignment.scratch]
        case = assignment.case
        unread = section.messages_read - case.messages_pruned
        for message in case.messages[max(unread, 0) :]:
            reply = await self.tools.model.understand(message.text)
            section = section.with_message(reply.understanding)
            provenance = reply.provenance()
            notes.append(reply.reasoning)
        section = section.model_copy(
            update={"messages_read": case.messages_pruned + len(case.messages)}
        )
        # So many at once that the state does not carry them all: the newest ones speak for them.
        passed = f"; {-unread} older messages passed over" if unread < 0 else ""
        needs = ", ".join(section.needs) or "neither"
        return Finding(
            section=section,
            reason=f"needs {needs}; reason {section.reason}{passed}",
            provenance=provenance,
            scratch="\n".join(filter(None, notes)),
            status=CaseStatus.INVESTIGATING,
        )
