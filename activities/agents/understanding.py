"""The understanding agent: what do the customer's messages need, and what do they name?"""

from collections.abc import Sequence
from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.mentions import find_mentions
from cases.model_ports import UnderstandingReply
from cases.sections import Section
from cases.state import CaseStatus, Message, newest
from cases.understanding import Named, UnderstandingSection


class UnderstandingAgent(Agent[UnderstandingSection]):
    section: ClassVar[type[Section]] = UnderstandingSection
    summary: ClassVar[str] = "Read what the customer wrote"

    async def process(self, assignment: Assignment) -> Finding[UnderstandingSection]:
        """Read the messages that were not read yet, all of them by one question to the model."""
        case = assignment.case
        section = case.get(UnderstandingSection) or UnderstandingSection()
        end = case.messages_pruned + len(case.messages)
        unread = case.messages[max(section.messages_read - case.messages_pruned, 0) :]
        read = newest(unread)
        reply = await self._read(read)
        if reply:
            section = section.with_messages(reply.understanding, _named(read))
        # So many at once that they are not all carried, or too long to be read together.
        passed_over = end - section.messages_read - len(read)
        section = section.model_copy(update={"messages_read": end})
        return Finding(
            section=section,
            reason=_in_words(section, passed_over),
            provenance=reply.provenance() if reply else {},
            scratch="\n".join(filter(None, (assignment.scratch, reply.reasoning if reply else ""))),
            status=CaseStatus.INVESTIGATING,
        )

    async def _read(self, messages: Sequence[Message]) -> UnderstandingReply | None:
        if not messages:
            return None
        return await self.tools.model.understand([message.text for message in messages])


def _named(messages: Sequence[Message]) -> list[Named]:
    return [
        Named(message_id=message.message_id, **found.model_dump())
        for message in messages
        for found in find_mentions(message.text, message.received_at)
    ]


def _in_words(section: UnderstandingSection, passed_over: int) -> str:
    """For the audit, without a word of the customer's."""
    parts = (
        f"needs {', '.join(section.needs) or 'neither'}",
        f"reason {section.reason}",
        "not sure" if section.unsure else "",
        "it may be meant to command the model" if section.suspected_injection else "",
        f"{passed_over} older messages passed over" if passed_over > 0 else "",
    )
    return "; ".join(filter(None, parts))
