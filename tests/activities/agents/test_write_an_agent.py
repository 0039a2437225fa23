"""The agent of docs/write-an-agent.md, taken from the page and run."""

import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.agent_steps import AgentActivities, AgentTask
from activities.agents import AGENTS
from activities.agents.base import Agent, Tools
from activities.steps import CaseRef
from cases.state import Message
from workers.composition import Gateways, Stores, shipped_policy

_PAGE = Path(__file__).parents[3] / "docs" / "write-an-agent.md"


def _agent_of_the_page() -> type[Agent[Any]]:
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), flags=re.DOTALL)
    module = ModuleType("shipping")
    exec(blocks[0], module.__dict__)  # noqa: S102  the page's own code
    agent: type[Agent[Any]] = module.__dict__["ShippingAgent"]
    return agent


async def test_the_agent_of_the_page_commits_its_section_by_one_file_and_one_line(
    stores: Stores, gateways: Gateways, number: str
) -> None:
    shipping = _agent_of_the_page()
    tools = Tools(gateways.model, gateways.payments, gateways.accounts, shipped_policy())
    ref = CaseRef(case_id=f"case_{number}", customer_id=f"cus_{number}")
    said = Message(message_id="request", text="Where is my parcel?", received_at=datetime.now(UTC))
    await stores.record.open(ref, said)

    activities = AgentActivities(stores.record, tools, (*AGENTS, shipping)).all()
    task = AgentTask(ref=ref, agent="shipping")
    report = await ActivityEnvironment().run(activities[len(AGENTS)], task)

    state = await stores.cases.load(ref.case_id, ref.branch)
    assert report.done[0].step == "shipping:1"
    assert state.sections["shipping"].model_dump()["parcels"] == 1
    assert state.current_owner == "shipping"
