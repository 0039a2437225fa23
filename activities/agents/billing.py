"""The billing agent: which charges are one too many, by the provider's records?"""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.billing import BillingSection, examine_charges
from cases.sections import Section
from cases.understanding import Topic


class BillingAgent(Agent[BillingSection]):
    section: ClassVar[type[Section]] = BillingSection
    summary: ClassVar[str] = "Look through the customer's charges for duplicates"
    topic: ClassVar[str | None] = Topic.BILLING

    async def process(self, assignment: Assignment) -> Finding[BillingSection]:
        """Examine this customer's charges; what the customer claims is no evidence."""
        customer = assignment.case.customer_id
        account = await self.tools.accounts.find(customer)
        if account is None:
            return Finding(BillingSection(status="needs_human", customer_known=False))
        if account.locked:
            # Whether the account is looked at is the model's word; that a locked one is not paid
            # must not be.
            return Finding(BillingSection.of_locked_account())
        charges = await self.tools.payments.find_charges(customer)
        section = examine_charges(c for c in charges if c.customer_id == customer)
        return Finding(section, reason=f"{section.charges_seen} charges: {section.status}")
