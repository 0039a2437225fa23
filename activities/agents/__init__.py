"""The agents, one file each. To add one: write its file, add its line here."""

from pkgutil import resolve_name
from typing import Any

from activities.agents.base import Agent

#: Module and class of each, in the order in which they are asked.
_REGISTERED = (
    "activities.agents.understanding:UnderstandingAgent",
    "activities.agents.billing:BillingAgent",
    "activities.agents.account:AccountAgent",
    "activities.agents.policy:PolicyAgent",
    "activities.agents.response:ResponseAgent",
)

AGENTS: tuple[type[Agent[Any]], ...] = tuple(map(resolve_name, _REGISTERED))


def investigators() -> dict[str, type[Agent[Any]]]:
    """The agents that a customer's need calls, by the topic of the need."""
    return {agent.topic: agent for agent in AGENTS if agent.topic}
