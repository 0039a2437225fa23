"""One activity per agent: load the case inside the run, let the agent judge, commit, report."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from activities.agents import AGENTS
from activities.agents.base import Agent, Assignment, Finding, Tools
from activities.errors import heartbeating, temporal_failures
from activities.record import CaseRecord, reported
from activities.steps import CaseRef, StepReport
from cases.approvals import ApprovalSection
from cases.ports import Dossier
from cases.records import Record
from cases.state import CaseState, StepUpdate
from cases.text import shorten


class AgentTask(Record):
    """Run one agent for one round of a case."""

    ref: CaseRef
    agent: str
    round: int = 1
    cancelled: bool = False

    @property
    def step(self) -> str:
        return f"{self.agent}:cancelled" if self.cancelled else f"{self.agent}:{self.round}"


class AgentFailure(Record):
    """Every attempt of an agent failed."""

    task: AgentTask
    error: str


class AgentActivities:
    """The activities of all registered agents."""

    def __init__(
        self,
        record: CaseRecord,
        tools: Tools,
        agents: Sequence[type[Agent[Any]]] = AGENTS,
    ) -> None:
        self._record = record
        self._tools = tools
        self._agents = {kind.name(): kind(tools) for kind in agents}

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers: one activity per agent, and the one for failed agents."""
        return [*(self._activity(agent) for agent in self._agents.values()), self.record_failure]

    def _activity(self, agent: Agent[Any]) -> Callable[..., Any]:
        @activity.defn(name=agent.activity_name())
        async def run_agent(task: AgentTask) -> StepReport:
            async with temporal_failures(), heartbeating():
                return await self._run(agent, task)

        return run_agent

    async def _run(self, agent: Agent[Any], task: AgentTask) -> StepReport:
        dossier = await self._load(agent, task)
        if task.step in dossier.state.completed_steps:
            return _earlier_report(agent, task, dossier.state)
        assignment = _assignment(dossier, task)
        finding = await agent.process(assignment)
        return await self._record.commit(dossier.state, _updates(agent, task, finding))

    @activity.defn
    async def record_failure(self, failure: AgentFailure) -> StepReport:
        """Put the failure into the agent's own section, so that the case goes on without it."""
        async with temporal_failures():
            task = failure.task
            agent = self._agents[task.agent]
            dossier = await self._durable(task.ref)
            if task.step in dossier.state.completed_steps:
                return _earlier_report(agent, task, dossier.state)
            error = shorten(failure.error, 500)
            section = agent.failed(_assignment(dossier, task), error)
            update = StepUpdate(
                step=task.step,
                owner=task.agent,
                sections={section.name: section},
                error=error,
                retries={task.step: 1},
                reason="every attempt failed",
            )
            return await self._record.commit(dossier.state, [update])

    async def _load(self, agent: Agent[Any], task: AgentTask) -> Dossier:
        # After a first attempt the hot copy may be what misled it: read the truth.
        if agent.reads_durable or activity.info().attempt > 1:
            return await self._durable(task.ref)
        return Dossier(state=await self._record.load(task.ref), refunded_lately={})

    async def _durable(self, ref: CaseRef) -> Dossier:
        return await self._record.load_dossier(ref, limit_days=self._tools.policy.limit_days)


def _assignment(dossier: Dossier, task: AgentTask) -> Assignment:
    return Assignment(dossier=dossier, round=task.round, cancelled=task.cancelled)


def _updates(agent: Agent[Any], task: AgentTask, finding: Finding[Any]) -> list[StepUpdate]:
    update = StepUpdate(
        step=task.step,
        owner=agent.name(),
        sections={finding.section.name: finding.section},
        status=finding.status,
        reason=finding.reason,
        provenance=dict(finding.provenance),
    )
    return [update, finding.sets_off] if finding.sets_off else [update]


def _earlier_report(agent: Agent[Any], task: AgentTask, state: CaseState) -> StepReport:
    """An attempt whose report was lost had committed: its result is reported, not made again."""
    asked = f"approval_request:{task.round}"
    sections = {agent.section.name: task.step}
    if asked in state.completed_steps:
        sections[ApprovalSection.name] = asked
    return reported(state, sections)
