"""The billing agent's findings."""

from datetime import timedelta

from activities.agents.billing import BillingAgent
from tests.activities.agents import assigned, tools
from tests.fakes import FakeAccounts, FakePayments
from tests.samples import charge, usd


async def test_the_billing_agent_finds_the_duplicates_of_the_cases_customer() -> None:
    payments = FakePayments([charge("ch_1"), charge("ch_2", after=timedelta(minutes=1))])
    finding = await BillingAgent(tools(payments=payments)).process(assigned())

    assert finding.section.duplicates == (("ch_1", "ch_2"),)
    assert finding.section.refundable == usd("49.99")
    assert finding.reason == "2 charges: duplicates_found"
    assert payments.asked == ["cus_1"]
    assert payments.sent == []


async def test_nothing_found_is_a_finding() -> None:
    finding = await BillingAgent(tools()).process(assigned())

    assert finding.section.status == "nothing_found"
    assert finding.reason == "0 charges: nothing_found"


async def test_the_charges_of_an_unknown_customer_are_not_even_asked_for() -> None:
    payments = FakePayments([charge("ch_1"), charge("ch_2")])
    given = tools(payments=payments, accounts=FakeAccounts())
    finding = await BillingAgent(given).process(assigned())

    assert not finding.section.customer_known
    assert finding.section.orders == ()
    assert payments.asked == []
