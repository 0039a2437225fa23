"""The billing agent: which charges are one too many, by the provider's records?"""

from typing import ClassVar

from activities.agents.base import Agent, Assignment, Finding
from cases.billing import BillingSection, examine_charges
from cases.mentions import meant
from cases.sections import Section
from cases.understanding import Topic, UnderstandingSection


class BillingAgent(Agent[BillingSection]):
    section: ClassVar[type[Section]] = BillingSection
    summary: ClassVar[str] = "Look through the customer's charges for duplicates"
    topic: ClassVar[str | None] = Topic.BILLING
    about: ClassVar[str] = "charges, payments, refunds, invoices, fees and prices"

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
        own = [charge for charge in charges if charge.customer_id == customer]
        understanding = assignment.case.get(UnderstandingSection)
        named = understanding.named if understanding else ()
        section = examine_charges(own, meant(named, own))
        return Finding(section, reason=f"{section.charges_seen} charges: {section.status}")
