"""Around every agent: the case is loaded in the run, the finding committed once, and reported."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.agent_steps import AgentActivities, AgentFailure, AgentTask
from activities.agents import AGENTS
from activities.record import CaseRecord
from activities.steps import CaseRef, StepReport
from cases.approvals import ApprovalSection
from cases.billing import BillingSection
from cases.policy import PolicySection
from cases.state import CaseState, CaseStatus, StepUpdate
from tests.activities.agents import tools
from tests.activities.environment import REF, environment, refused, run, type_of
from tests.fakes import FakeHot, FakeModel, FakePayments, FakeStore
from tests.samples import case, duplicates, needs, order, usd

RunAgent = Callable[[AgentTask], Awaitable[StepReport]]


class House:
    """The agents' activities over one case."""

    def __init__(self, *states: CaseState, model: FakeModel | None = None) -> None:
        self.store = FakeStore.of(*(states or (case(),)))
        self.hot = FakeHot()
        self.model = model or FakeModel()
        self.payments = FakePayments()
        given = tools(model=self.model, payments=self.payments)
        self.activities = AgentActivities(CaseRecord(self.store, self.hot), given)

    def agent(self, name: str) -> RunAgent:
        [found] = [one for one in self.activities.all() if type_of(one) == f"{name}_agent"]
        return found

    @property
    def state(self) -> CaseState:
        return self.store.cases["case_1", "main"]


def task(agent: str, *, number: int = 1, ref: CaseRef = REF, cancelled: bool = False) -> AgentTask:
    return AgentTask(ref=ref, agent=agent, round=number, cancelled=cancelled)


def test_a_worker_registers_every_agent_and_the_record_of_failures() -> None:
    names = [type_of(one) for one in House().activities.all()]

    assert names == [*(agent.activity_name() for agent in AGENTS), "record_failure"]


async def test_an_agents_finding_is_committed_and_reported_without_the_customers_text() -> None:
    house = House()
    report = await run(house.agent("understanding"), task("understanding"))

    [done] = report.done
    assert (done.step, done.owner, done.version) == ("understanding:1", "understanding", 2)
    assert house.state.status is CaseStatus.INVESTIGATING
    assert house.state.current_owner == "understanding"
    assert house.state.sections["understanding"] == done.sections["understanding"]
    assert "charged" not in report.model_dump_json()
    [committed] = house.store.commits
    assert committed.provenance["model"] == "fake"
    assert report.apply_to(case()).sections == house.state.sections


async def test_a_step_on_record_is_reported_again_and_not_made_again() -> None:
    house = House()
    first = await run(house.agent("understanding"), task("understanding"))
    again = await environment(attempt=2).run(house.agent("understanding"), task("understanding"))

    assert again == first
    assert len(house.model.read) == 1
    assert len(house.store.commits) == 1


async def test_a_report_again_includes_the_request_that_was_made_with_it() -> None:
    house = House(case(needs("billing"), duplicates(order(amount=usd("612.00")))))
    first = await run(house.agent("policy"), task("policy"))
    again = await environment(attempt=2).run(house.agent("policy"), task("policy"))

    assert [done.step for done in first.done] == ["policy:1", "approval_request:1"]
    assert again == first
    assert len(house.store.commits) == 2


async def test_the_next_round_is_another_step() -> None:
    house = House(case(needs("billing"), BillingSection()))
    await run(house.agent("policy"), task("policy"))
    report = await run(house.agent("policy"), task("policy", number=2))

    assert report.done[0].step == "policy:2"
    assert house.state.completed_steps[-2:] == ("policy:1", "policy:2")


async def test_the_answer_to_a_cancelled_case_is_a_step_of_its_own() -> None:
    house = House()
    await run(house.agent("response"), task("response"))
    report = await run(house.agent("response"), task("response", cancelled=True))

    assert report.done[0].step == "response:cancelled"


async def test_the_hot_copy_spares_the_first_attempt_a_read_of_the_record() -> None:
    house = House()
    house.hot.copies["case_1", "main"] = house.state
    await run(house.agent("billing"), task("billing"))

    assert house.store.loads == []
    assert house.hot.copies["case_1", "main"] == house.state


async def test_a_hot_copy_older_than_what_the_workflow_knows_is_not_used() -> None:
    house = House()
    house.hot.copies["case_1", "main"] = house.state
    house.store.cases["case_1", "main"] = case(needs("billing"))
    await run(house.agent("billing"), task("billing", ref=REF.model_copy(update={"at_least": 2})))
    assert house.store.loads == ["state"]


async def test_a_second_attempt_reads_the_durable_record() -> None:
    """The hot copy may be what misled the first one."""
    house = House()
    stale = StepUpdate(step="billing:1", owner="billing")
    house.hot.copies["case_1", "main"] = case().after(stale, 2)
    await environment(attempt=2).run(house.agent("billing"), task("billing"))

    assert house.store.loads == ["dossier"]
    assert house.state.get(BillingSection)


@pytest.mark.parametrize("agent", ["policy", "response"])
async def test_what_decides_reads_the_durable_record_at_once(agent: str) -> None:
    house = House()
    house.hot.copies["case_1", "main"] = case(needs("billing"), duplicates(order()))
    await run(house.agent(agent), task(agent))

    assert house.store.loads == ["dossier"]
    assert house.store.limit_days == [30]
    policy = house.state.get(PolicySection)
    assert policy is None or policy.rule == "not_ours"


async def test_a_case_that_is_not_there_is_a_typed_failure_that_is_not_repeated() -> None:
    nowhere = task("billing", ref=CaseRef(case_id="case_2", customer_id="cus_1"))

    assert await refused(House().agent("billing"), nowhere) == "CaseNotFound"


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("agent", ["billing", "policy"])
async def test_a_case_of_another_customer_is_not_there(agent: str, *, hot: bool) -> None:
    house = House()
    if hot:
        house.hot.copies["case_1", "main"] = house.state
    foreign = task(agent, ref=CaseRef(case_id="case_1", customer_id="cus_2"))

    assert await refused(house.agent(agent), foreign) == "CaseNotFound"
    assert house.store.commits == []


async def test_a_rival_writer_makes_a_failure_that_is_repeated_and_then_succeeds() -> None:
    house = House()

    def rival() -> None:
        house.store.before_commit = None
        other = StepUpdate(step="x", owner="billing", sections={"billing": BillingSection()})
        house.store.cases["case_1", "main"] = house.state.after(other, 2)

    house.store.before_commit = rival
    with pytest.raises(ApplicationError) as failure:
        await run(house.agent("billing"), task("billing"))

    assert failure.value.type == "ConcurrentModification"
    assert not failure.value.non_retryable
    await environment(attempt=2).run(house.agent("billing"), task("billing"))
    assert house.state.section_versions["billing"] == 3


async def test_a_failing_tool_is_an_ordinary_failure_and_nothing_is_written() -> None:
    house = House(model=FakeModel(error=ConnectionError("no answer")))

    with pytest.raises(ConnectionError, match="no answer"):
        await run(house.agent("understanding"), task("understanding"))
    assert house.store.commits == []


async def test_an_agent_beats_while_it_waits_for_its_model() -> None:
    house = House(model=FakeModel(hangs=True))
    env = environment(heartbeat=timedelta(milliseconds=30))
    enough, beats = asyncio.Event(), 0

    def beat(*_: object) -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            enough.set()

    env.on_heartbeat = beat
    running = asyncio.ensure_future(env.run(house.agent("understanding"), task("understanding")))
    async with asyncio.timeout(5):
        await enough.wait()

    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert house.model.cancelled
    assert house.store.commits == []
    seen = beats
    await asyncio.sleep(0.05)
    assert beats == seen


async def test_a_failure_of_every_attempt_stands_in_the_agents_own_section() -> None:
    house = House(case(needs("billing")))
    failure = AgentFailure(task=task("billing"), error="no answer " * 100)
    report = await run(house.activities.record_failure, failure)

    section = house.state.get(BillingSection)
    assert section
    assert section.failed
    assert section.error
    assert len(section.error) == 500
    assert house.state.error == section.error
    assert house.state.retries == {"billing:1": 1}
    assert house.state.completed_steps[-1] == "billing:1"
    assert report.done[0].sections["billing"] == section
    assert house.state.get(ApprovalSection) is None


async def test_a_failure_does_not_overwrite_what_an_attempt_had_committed_after_all() -> None:
    house = House()
    first = await run(house.agent("billing"), task("billing"))
    report = await run(
        house.activities.record_failure, AgentFailure(task=task("billing"), error="timed out")
    )
    assert report == first
    assert house.state.error is None
