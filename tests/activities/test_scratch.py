"""Working notes are private to their agent, may be as long as they like, and decide nothing."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from activities.agent_steps import AgentActivities, AgentTask
from activities.agents.base import Agent, Assignment, Finding
from activities.record import CaseRecord
from activities.steps import CaseRef, StepReport
from cases.billing import BillingSection
from cases.ids import MAIN
from cases.policy import Decision, PolicySection
from cases.sections import Section, scratch_of
from cases.sizes import REASONING_CHARS, REPORT_BYTES, Archived
from cases.state import CaseState, StepUpdate
from starters.case_view import as_json
from stores.hot import RedisHotStore
from tests.activities.agents import tools
from tests.activities.environment import run
from tests.stores.support import OtherProbeSection, ProbeSection, opened, step
from workers.composition import Stores

NOTES = "Why? 👀 " * 400_000  # 3 MB and more in UTF-8


class NoteTaker(Agent[ProbeSection]):
    section: ClassVar[type[Section]] = ProbeSection
    summary: ClassVar[str] = "Takes notes"

    seen: ClassVar[list[Assignment]] = []
    notes: ClassVar[str] = ""
    content: ClassVar[Any] = None

    async def process(self, assignment: Assignment) -> Finding[ProbeSection]:
        self.seen.append(assignment)
        return Finding(ProbeSection(content=self.content), scratch=self.notes)


class Neighbour(Agent[OtherProbeSection]):
    section: ClassVar[type[Section]] = OtherProbeSection
    summary: ClassVar[str] = "Looks around"

    seen: ClassVar[list[Assignment]] = []

    async def process(self, assignment: Assignment) -> Finding[OtherProbeSection]:
        self.seen.append(assignment)
        return Finding(OtherProbeSection())


class House:
    """Two agents over one case on the real servers."""

    def __init__(self, stores: Stores, state: CaseState) -> None:
        self.stores, self.opened = stores, state
        self.hot = RedisHotStore(stores.redis, stores.keys)
        self.record = CaseRecord(stores.cases, self.hot)
        house = AgentActivities(self.record, tools(), [NoteTaker, Neighbour])
        first, second, _ = house.all()
        self._agents = {NoteTaker.name(): first, Neighbour.name(): second}

    async def ask(self, kind: type[Agent[Any]], number: int = 1) -> StepReport:
        ref = CaseRef(case_id=self.opened.case_id, customer_id=self.opened.customer_id)
        agent: Callable[[AgentTask], Awaitable[StepReport]] = self._agents[kind.name()]
        return await run(agent, AgentTask(ref=ref, agent=kind.name(), round=number))

    async def state(self) -> CaseState:
        return await self.stores.cases.load(self.opened.case_id, MAIN)


@pytest.fixture
async def house(stores: Stores, case_id: str, monkeypatch: pytest.MonkeyPatch) -> House:
    for kind in (NoteTaker, Neighbour):
        monkeypatch.setattr(kind, "seen", [])
    monkeypatch.setattr(NoteTaker, "notes", NOTES)
    return House(stores, await opened(stores, case_id))


async def test_an_agent_reads_its_own_notes_again_in_full_and_nobody_else_does(
    house: House,
) -> None:
    await house.ask(NoteTaker)
    await house.ask(Neighbour)
    await house.ask(NoteTaker, 2)

    [first, second], [neighbour] = NoteTaker.seen, Neighbour.seen
    assert (first.scratch, second.scratch, neighbour.scratch) == ("", NOTES, "")
    assert [name for name in neighbour.case.sections if "scratch" in name] == []
    assert neighbour.case.sections["probe"] == ProbeSection()
    assert second.case.get(scratch_of("prober"))


async def test_after_the_decision_only_the_start_of_the_notes_is_left(house: House) -> None:
    await house.ask(NoteTaker)
    decided = PolicySection(
        decision=Decision.NO_ACTION, rule="nothing_found", reason="nothing", policy_version=1
    )
    await house.record.commit(await house.state(), [step("policy:1", decided)])
    await house.ask(NoteTaker, 2)

    assert NoteTaker.seen[1].scratch == NOTES[:REASONING_CHARS] + "…"


async def test_notes_go_into_the_archive_and_into_no_history_and_no_view(
    house: House, stores: Stores
) -> None:
    report = await house.ask(NoteTaker)

    [done] = report.done
    assert done.left_out == ("prober.scratch",)
    assert "Why?" not in report.model_dump_json()
    seen = report.apply_to(house.opened)
    assert seen.section_versions == {"probe": 2, "prober.scratch": 2}
    state = await house.state()
    notes = state.get(scratch_of("prober"))
    assert notes
    assert isinstance(notes.text, Archived)
    assert notes.text.bytes == len(NOTES.encode())
    assert await stores.cases.read_back(state.case_id, notes.text) == NOTES
    assert "Why?" not in str(as_json(state))
    assert await stores.audit.verify(state.case_id, MAIN) == []


async def test_the_hot_copy_holds_the_reference_too(house: House) -> None:
    await house.hot.write(house.opened)
    await house.ask(NoteTaker)

    assert await house.hot.read(house.opened.case_id, MAIN) == await house.state()


async def test_a_section_of_3_megabytes_is_stored_and_reported_without_its_body(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoteTaker, "notes", "")
    monkeypatch.setattr(NoteTaker, "content", ["x" * 1000] * 3000)
    report = await house.ask(NoteTaker)
    again = await house.ask(NoteTaker)

    for one in (report, again):
        assert one.done[0].left_out == ("probe",)
        assert len(one.model_dump_json()) < REPORT_BYTES
    assert (await house.state()).sections["probe"] == ProbeSection(content=NoteTaker.content)


async def test_a_section_that_is_too_large_is_the_agents_own_failure(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoteTaker, "content", "x" * 9_000_000)
    with pytest.raises(Exception, match=r"probe: has 9,000,\d+ bytes, more than the 8,000,000"):
        await house.ask(NoteTaker)

    assert (await house.state()) == house.opened


def test_a_step_names_the_texts_that_left_it() -> None:
    update = StepUpdate(
        step="probe:1",
        owner="prober",
        sections={"prober.scratch": scratch_of("prober")(text=NOTES)},
    )
    fitted = update.fitted()

    [text] = fitted.archive
    assert text.text == NOTES
    assert fitted.fitted() == fitted
    small = StepUpdate(step="b:1", owner="billing", sections={"billing": BillingSection()})
    assert small.fitted() == small
