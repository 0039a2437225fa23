"""The account agent: why can the customer not log in?"""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.accounts import AccountSection, examine_account
from cases.sections import Section
from cases.understanding import Topic, UnderstandingSection


class AccountAgent(Agent[AccountSection]):
    section: ClassVar[type[Section]] = AccountSection
    summary: ClassVar[str] = "Look at the customer's account"
    topic: ClassVar[str | None] = Topic.ACCOUNT
    about: ClassVar[str] = "signing in, passwords, codes, locked or closed accounts, personal data"

    async def process(self, assignment: Assignment) -> Finding[AccountSection]:
        """Find the account; a reset mail is only proposed here, and sent when the case settles."""
        case = assignment.case
        account = await self.tools.accounts.find(case.customer_id)
        texts = [message.text for message in case.messages]
        understanding = case.get(UnderstandingSection)
        sure = understanding is None or not understanding.unsure
        section = examine_account(account, case_id=case.case_id, texts=texts, sure=sure)
        return Finding(section, reason=f"{section.issue}: {section.status}")
