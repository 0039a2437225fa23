"""The house of agents: one file and one line each."""

from typing import Any

import pytest

from activities.agents import AGENTS, investigators
from activities.agents.base import Agent, Tools
from activities.agents.billing import BillingAgent
from activities.agents.response import ResponseAgent
from cases.model_ports import LanguageModel
from cases.policy import RefundPolicy
from cases.ports import Accounts, Mail, Payments
from cases.sections import Section
from tests.activities.agents import assigned, tools
from tests.fakes import FakeAccounts, FakeMail, FakeModel, FakePayments


def test_each_agent_owns_a_section_of_its_own() -> None:
    sections = [agent.section for agent in AGENTS]

    assert len(set(sections)) == len(sections)
    assert len({agent.name() for agent in AGENTS}) == len(AGENTS)


def test_an_agents_activity_is_named_after_it() -> None:
    """The names stand in histories: a change breaks every open case."""
    assert [agent.activity_name() for agent in AGENTS] == [
        "understanding_agent",
        "billing_agent",
        "account_agent",
        "policy_agent",
        "response_agent",
    ]


def test_the_agents_of_needs_are_those_with_a_topic() -> None:
    assert {topic: agent.name() for topic, agent in investigators().items()} == {
        "billing": "billing",
        "account": "account",
    }


def test_what_decides_about_money_and_words_reads_the_durable_record() -> None:
    assert {agent.name() for agent in AGENTS if agent.reads_durable} == {"policy", "response"}


@pytest.mark.parametrize("kind", AGENTS, ids=lambda kind: kind.name())
def test_an_agent_that_failed_says_so_in_its_own_section(kind: type[Agent[Any]]) -> None:
    section: Section = kind(tools()).failed(assigned(), "no answer")

    assert isinstance(section, kind.section)
    assert section.failed
    assert section.error == "no answer"


@pytest.mark.parametrize("kind", [BillingAgent, ResponseAgent])
async def test_a_tool_that_fails_is_not_hidden(kind: type[Agent[Any]]) -> None:
    down = TimeoutError("no answer")
    given = tools(model=FakeModel(error=down), payments=FakePayments(error=down))

    with pytest.raises(TimeoutError, match="no answer"):
        await kind(given).process(assigned())


def test_the_fakes_fit_the_ports() -> None:
    model: LanguageModel = FakeModel()
    payments: Payments = FakePayments()
    accounts: Accounts = FakeAccounts()
    mail: Mail = FakeMail()
    policy = RefundPolicy(version=1, limit_days=30, limits={})

    assert Tools(model, payments, accounts, policy)
    assert mail
