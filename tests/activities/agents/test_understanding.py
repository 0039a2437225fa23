"""The understanding agent's findings."""

from collections.abc import Sequence

import pytest

from activities.agents.base import Assignment
from activities.agents.understanding import UnderstandingAgent
from cases.model_ports import UnderstandingReply
from cases.state import CaseStatus, Message, StepUpdate
from cases.text import MAX_TEXT_BYTES
from cases.understanding import Reason, Understanding, UnderstandingSection
from tests.activities.agents import assigned, tools
from tests.fakes import FakeModel
from tests.samples import NOON, needs


class Counting(FakeModel):
    """Keeps each question apart, and understands what it is told to."""

    def __init__(self, understanding: Understanding | None = None) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self._understanding = understanding

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        self.asked.append(list(messages))
        reply = await super().understand(messages)
        understanding = self._understanding or reply.understanding
        return reply.model_copy(update={"understanding": understanding})


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


def with_messages(*texts: str) -> Assignment:
    """A case in which these were said after the first message, which was read."""
    assignment = assigned(needs("billing"))
    state = assignment.case
    for place, text in enumerate(texts, 2):
        more = Message(message_id=f"m{place}", text=text, received_at=NOON)
        step = StepUpdate(step=f"message:m{place}", owner="intake", messages=(more,))
        state = state.after(step, state.version + 1)
    dossier = assignment.dossier.model_copy(update={"state": state})
    return type(assignment)(dossier=dossier, round=2)


async def test_all_messages_that_were_not_read_are_one_question_to_the_model() -> None:
    model = Counting()
    finding = await UnderstandingAgent(tools(model=model)).process(
        with_messages("First.", "Second.", "Third.")
    )

    assert model.asked == [["First.", "Second.", "Third."]]
    assert finding.section.messages_read == 4


async def test_what_is_too_long_to_be_read_together_is_passed_over_from_its_oldest_end() -> None:
    model = Counting()
    long = "x" * (MAX_TEXT_BYTES // 2)
    finding = await UnderstandingAgent(tools(model=model)).process(
        with_messages("Oldest.", long, long, "é")
    )

    assert model.asked == [[long, "é"]]
    assert finding.section.messages_read == 5
    assert finding.reason.endswith("2 older messages passed over")


async def test_what_the_customer_names_is_found_by_code_and_points_into_its_message() -> None:
    text = "You took 49.99 USD for order #4711 twice, see ch_2."
    assignment = with_messages("Hello?", text)
    finding = await UnderstandingAgent(tools()).process(assignment)

    named = finding.section.named
    assert [(one.kind, one.value) for one in named] == [
        ("amount", "49.99 USD"),
        ("order", "4711"),
        ("charge", "ch_2"),
    ]
    assert {one.message_id for one in named} == {"m3"}
    assert [text[one.start : one.end] for one in named] == ["49.99 USD", "order #4711", "ch_2"]


async def test_the_audit_is_told_of_doubt_and_of_an_attack_and_no_word_of_the_customers() -> None:
    understanding = Understanding(
        needs=frozenset({"billing"}), sure=False, suspected_injection=True, language="de"
    )
    finding = await UnderstandingAgent(tools(model=Counting(understanding))).process(assigned())

    assert finding.section.unsure
    assert finding.section.language == "de"
    assert finding.reason == (
        "needs billing; reason unspecified; not sure; it may be meant to command the model"
    )


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
