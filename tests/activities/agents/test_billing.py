"""The billing agent's findings."""

from datetime import timedelta

import pytest

from activities.agents.billing import BillingAgent
from cases.mentions import find_mentions
from cases.understanding import Named, UnderstandingSection
from tests.activities.agents import assigned, tools
from tests.fakes import FakeAccounts, FakePayments
from tests.samples import NOON, charge, usd


async def test_the_billing_agent_finds_the_duplicates_of_the_cases_customer() -> None:
    payments = FakePayments([charge("ch_1"), charge("ch_2", after=timedelta(minutes=1))])
    finding = await BillingAgent(tools(payments=payments)).process(assigned())

    assert finding.section.duplicates == (("ch_1", "ch_2"),)
    assert finding.section.refundable == usd("49.99")
    assert finding.reason == "2 charges: duplicates_found"
    assert payments.asked == ["cus_1"]
    assert payments.sent == []


def named(text: str) -> UnderstandingSection:
    """A request that names this."""
    mentions = [Named(message_id="m1", **m.model_dump()) for m in find_mentions(text, NOON)]
    return UnderstandingSection(needs=("billing",), named=tuple(mentions))


DUPLICATES = (charge("ch_1"), charge("ch_2", after=timedelta(minutes=1)))
OTHER = charge("ch_3", usd("20.00"), description="Order 17")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Twice!", ()),
        ("49.99 was taken twice.", ("ch_1", "ch_2")),
        ("See ch_2 and ch_3.", ("ch_2", "ch_3")),
        ("See ch_9, or order 4711, 900.00 USD", ()),  # none of them is on record
    ],
)
async def test_a_customer_who_means_the_duplicates_or_nothing_on_record_gets_them(
    text: str, meant: tuple[str, ...]
) -> None:
    given = tools(payments=FakePayments([*DUPLICATES, OTHER]))
    section = (await BillingAgent(given).process(assigned(named(text)))).section

    assert section.meant == meant
    assert section.doubts == ()
    assert [order.charge_id for order in section.orders] == ["ch_2"]


@pytest.mark.parametrize("text", ["ch_3 was taken twice", "order 17", "20.00 USD, twice"])
async def test_a_customer_who_means_another_charge_than_the_duplicates_is_looked_at_by_a_person(
    text: str,
) -> None:
    given = tools(payments=FakePayments([*DUPLICATES, OTHER]))
    section = (await BillingAgent(given).process(assigned(named(text)))).section

    assert section.status == "needs_human"
    assert section.doubts[0] == "The customer names ch_3, and other charges are the duplicates."


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
