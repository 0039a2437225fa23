"""The account agent's findings."""

import pytest

from activities.agents.account import AccountAgent
from tests.activities.agents import assigned, tools
from tests.fakes import FakeAccounts


@pytest.mark.parametrize(
    ("accounts", "reason", "reset"),
    [
        (FakeAccounts.of("cus_1"), "login: reset_due", True),
        (FakeAccounts.of("cus_1", locked=True), "locked: needs_human", False),
        (FakeAccounts.of("cus_2"), "unknown_customer: needs_human", False),
        (FakeAccounts.of("cus_1", open_resets=("case_0",)), "reset_already_sent: done", False),
        (FakeAccounts.of("cus_1", open_resets=("case_1",)), "login: reset_due", True),
    ],
)
async def test_the_account_agent_looks_at_the_account_of_the_cases_customer(
    accounts: FakeAccounts, reason: str, *, reset: bool
) -> None:
    finding = await AccountAgent(tools(accounts=accounts)).process(assigned())

    assert finding.reason == reason
    assert finding.section.reset_needed is reset


async def test_the_account_agent_only_proposes_the_mail() -> None:
    accounts = FakeAccounts.of("cus_1")
    finding = await AccountAgent(tools(accounts=accounts)).process(assigned())

    assert accounts.sent == []
    assert not finding.section.reset_sent
