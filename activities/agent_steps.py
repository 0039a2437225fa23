"""One activity per agent: load the case inside the run, let the agent judge, commit, report."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from temporalio import activity

from activities.agents import AGENTS
from activities.agents.base import Agent, Assignment, Finding, Tools
from activities.errors import heartbeating, temporal_failures
from activities.model_chain import PaidModels
from activities.record import CaseRecord, reported
from activities.steps import CaseRef, StepReport
from cases.approvals import ApprovalSection
from cases.policy import PolicySection
from cases.ports import Dossier
from cases.records import Record
from cases.sections import Section, scratch_of
from cases.sizes import shown
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
        paid: PaidModels | None = None,
    ) -> None:
        self._record = record
        self._tools = tools
        self._paid = paid
        self._agents = {kind.name(): kind for kind in agents}

    def all(self) -> Sequence[Callable[..., Any]]:
        """What a worker registers: one activity per agent, and the one for failed agents."""
        return [*(self._activity(agent) for agent in self._agents.values()), self.record_failure]

    def _activity(self, kind: type[Agent[Any]]) -> Callable[..., Any]:
        @activity.defn(name=kind.activity_name())
        async def run_agent(task: AgentTask) -> StepReport:
            async with temporal_failures(), heartbeating():
                return await self._run(self._agent(task), task)

        return run_agent

    async def _run(self, agent: Agent[Any], task: AgentTask) -> StepReport:
        dossier = await self._load(agent, task)
        if task.step in dossier.state.completed_steps:
            return _earlier_report(agent, task, dossier.state)
        finding = await agent.process(await self._assignment(agent, dossier, task))
        updates = _updates(agent, task, dossier.state, finding)
        return await self._record.commit(dossier.state, updates)

    @activity.defn
    async def record_failure(self, failure: AgentFailure) -> StepReport:
        """Put the failure into the agent's own section, so that the case goes on without it."""
        async with temporal_failures():
            task = failure.task
            agent = self._agent(task)
            dossier = await self._durable(task.ref)
            if task.step in dossier.state.completed_steps:
                return _earlier_report(agent, task, dossier.state)
            error = shorten(failure.error, 500)
            section = agent.failed(await self._assignment(agent, dossier, task), error)
            update = StepUpdate(
                step=task.step,
                owner=task.agent,
                sections={section.name: section},
                error=error,
                retries={task.step: 1},
                reason="every attempt failed",
                provenance=_saw(dossier.state),
            )
            return await self._record.commit(dossier.state, [update])

    def _agent(self, task: AgentTask) -> Agent[Any]:
        tools = self._tools.for_case(task.ref)
        if self._paid:
            model = self._paid.before(tools.model, task.ref, task.step)
            tools = replace(tools, model=model)
        return self._agents[task.agent](tools)

    async def _assignment(self, agent: Agent[Any], dossier: Dossier, task: AgentTask) -> Assignment:
        """What the agent may see: the case, and of all working notes its own."""
        seen = dossier.model_copy(update={"state": dossier.state.seen_by(agent.name())})
        return Assignment(
            dossier=seen,
            round=task.round,
            cancelled=task.cancelled,
            scratch=await self._scratch(agent, dossier.state),
        )

    async def _scratch(self, agent: Agent[Any], state: CaseState) -> str:
        """The agent's notes of an earlier run: all of them, or their start after the decision."""
        notes = state.get(scratch_of(agent.name()))
        if notes is None:
            return ""
        if state.get(PolicySection):
            return shown(notes.text)
        return await self._record.read_back(state.case_id, notes.text)

    async def _load(self, agent: Agent[Any], task: AgentTask) -> Dossier:
        # After a first attempt the hot copy may be what misled it: read the truth.
        if agent.reads_durable or activity.info().attempt > 1:
            return await self._durable(task.ref)
        return Dossier(state=await self._record.load(task.ref), refunded_lately={})

    async def _durable(self, ref: CaseRef) -> Dossier:
        return await self._record.load_dossier(ref, limit_days=self._tools.policy.limit_days)


def _saw(state: CaseState) -> dict[str, str]:
    """For the audit: the version of the case that the agent was given."""
    return {"saw": str(state.version)}


def _updates(
    agent: Agent[Any], task: AgentTask, state: CaseState, finding: Finding[Any]
) -> list[StepUpdate]:
    written: list[Section] = [finding.section]
    if finding.scratch:
        written.append(scratch_of(agent.name())(text=finding.scratch))
    update = StepUpdate(
        step=task.step,
        owner=agent.name(),
        sections={section.name: section for section in written},
        status=finding.status,
        reason=finding.reason,
        provenance={**finding.provenance, **_saw(state)},
    )
    return [update, finding.sets_off] if finding.sets_off else [update]


def _earlier_report(agent: Agent[Any], task: AgentTask, state: CaseState) -> StepReport:
    """An attempt whose report was lost had committed: its result is reported, not made again."""
    asked = f"approval_request:{task.round}"
    sections = {agent.section.name: task.step}
    if asked in state.completed_steps:
        sections[ApprovalSection.name] = asked
    return reported(state, sections)
