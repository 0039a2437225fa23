"""The account agent: why can the customer not log in?"""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.accounts import AccountSection, examine_account
from cases.sections import Section
from cases.understanding import Topic


class AccountAgent(Agent[AccountSection]):
    section: ClassVar[type[Section]] = AccountSection
    summary: ClassVar[str] = "Look at the customer's account"
    topic: ClassVar[str | None] = Topic.ACCOUNT

    async def process(self, assignment: Assignment) -> Finding[AccountSection]:
        """Find the account; a reset mail is only proposed here, and sent when the case settles."""
        account = await self.tools.accounts.find(assignment.case.customer_id)
        section = examine_account(account)
        return Finding(section, reason=f"{section.issue}: {section.status}")
