"""The agents, one file each. To add one: write its file, add its line here."""

from typing import Any

from activities.agents.account import AccountAgent
from activities.agents.base import Agent
from activities.agents.billing import BillingAgent
from activities.agents.policy import PolicyAgent
from activities.agents.response import ResponseAgent
from activities.agents.understanding import UnderstandingAgent

AGENTS: tuple[type[Agent[Any]], ...] = (
    UnderstandingAgent,
    BillingAgent,
    AccountAgent,
    PolicyAgent,
    ResponseAgent,
)


def investigators() -> dict[str, type[Agent[Any]]]:
    """The agents that a customer's need calls, by the topic of the need."""
    return {agent.topic: agent for agent in AGENTS if agent.topic}
