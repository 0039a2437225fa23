"""The understanding agent's findings."""

import pytest

from activities.agents.understanding import UnderstandingAgent
from cases.state import CaseStatus, Message, StepUpdate
from cases.understanding import Reason, UnderstandingSection
from tests.activities.agents import assigned, tools
from tests.fakes import FakeModel
from tests.samples import NOON, needs


async def test_the_first_message_is_read_and_the_models_part_is_on_record() -> None:
    model = FakeModel(needs=frozenset({"billing", "account"}))
    finding = await UnderstandingAgent(tools(model=model)).process(assigned())

    assert model.read == ["I was charged twice."]
    assert finding.section.needs == ("account", "billing")
    assert finding.section.messages_read == 1
    assert finding.status is CaseStatus.INVESTIGATING
    assert finding.reason == "needs account, billing; reason duplicate"
    assert finding.provenance == {"model": "fake", "prompt_hash": "h1", "tokens": "7+2"}


async def test_only_messages_that_were_not_read_cost_a_call() -> None:
    model = FakeModel(needs=frozenset({"account"}), reason=Reason.UNSPECIFIED)
    assignment = assigned(needs("billing"))
    more = Message(message_id="m2", text="And I can't log in.", received_at=NOON)
    follow_up = StepUpdate(step="message:m2", owner="intake", messages=(more,))
    state = assignment.case.after(follow_up, 3)
    dossier = assignment.dossier.model_copy(update={"state": state})
    assignment = type(assignment)(dossier=dossier, round=2)

    finding = await UnderstandingAgent(tools(model=model)).process(assignment)

    assert model.read == ["And I can't log in."]
    assert finding.section.needs == ("account", "billing")
    assert finding.section.reason is Reason.DUPLICATE
    assert finding.section.messages_read == 2


async def test_a_request_that_needs_neither_says_so() -> None:
    model = FakeModel(needs=frozenset(), reason=Reason.UNSPECIFIED)
    finding = await UnderstandingAgent(tools(model=model)).process(assigned())

    assert finding.reason == "needs neither; reason unspecified"


async def test_after_a_failed_round_everything_is_read_again() -> None:
    failed = UnderstandingSection(status="failed", error="no answer")
    finding = await UnderstandingAgent(tools()).process(assigned(failed, number=2))

    assert not finding.section.failed
    assert finding.section.needs == ("billing",)


async def test_a_model_that_fails_is_a_failure_and_no_finding() -> None:
    with pytest.raises(ConnectionError):
        await UnderstandingAgent(tools(model=FakeModel(error=ConnectionError()))).process(
            assigned()
        )
