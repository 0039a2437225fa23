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
        for message in assignment.case.messages[section.messages_read :]:
            reply = await self.tools.model.understand(message.text)
            section = section.with_message(reply.understanding)
            provenance = reply.provenance()
        return Finding(
            section=section,
            reason=f"needs {', '.join(section.needs) or 'neither'}; reason {section.reason}",
            provenance=provenance,
            status=CaseStatus.INVESTIGATING,
        )
