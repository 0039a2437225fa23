"""However much is said or answered, a case neither fails nor wedges; its history stays small."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from activities.steps import CaseRef
from cases.answers import AnswerFacts
from cases.approvals import Verdict
from cases.effects import ResolutionSection
from cases.model_ports import OpeningReply, UnderstandingReply
from cases.sections import scratch_of
from cases.sizes import KEPT_MESSAGES, Archived
from cases.state import Message, message_step
from cases.text import MAX_TEXT_BYTES
from cases.understanding import Understanding
from gateways.offline.model import OfflineModel
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import (
    BILLING,
    BOTH,
    decided,
    events_of,
    finish,
    never_stuck,
    parked,
    status_is,
)
from workers.composition import Gateways

MEGABYTES_3 = "This goes on and on. " * 150_000
HISTORY_BYTES = 64 * 1024


class Talker(OfflineModel):
    """Answers and thinks in 3 MB."""

    read: ClassVar[list[str]] = []

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        self.read.extend(messages)
        reply = await super().understand(messages)
        return reply.model_copy(update={"reasoning": MEGABYTES_3})

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        reply = await super().pick_opening(messages, facts)
        return reply.model_copy(update={"reasoning": MEGABYTES_3})


async def test_a_model_that_answers_in_3_megabytes_is_answered_for(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(4999)
    async with run_worker(gateways=dataclasses.replace(gateways, model=Talker())):
        handle = await world.start(BOTH)
        assert await finish(handle) == "answered"

    state = await world.state()
    resolution = state.get(ResolutionSection)
    assert resolution
    assert len(resolution.answer) < 1000
    assert len(await world.refunds()) == len(await world.mails("answer")) == 1
    for owner in ("understanding", "response"):
        notes = state.get(scratch_of(owner))
        assert notes
        assert isinstance(notes.text, Archived)
        assert await world.session.stores.cases.read_back(state.case_id, notes.text) == MEGABYTES_3
    info = (await handle.describe()).raw_description.workflow_execution_info
    assert info.history_size_bytes < HISTORY_BYTES
    assert "on and on" not in str(await events_of(handle))


async def test_a_model_whose_understanding_is_3_megabytes_sends_the_case_to_a_person(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    class Babbler(OfflineModel):
        async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
            reply = await super().understand(messages)
            babble = Understanding.model_validate({"needs": ["billing", MEGABYTES_3]})
            return reply.model_copy(update={"understanding": babble})

    await world.twins(4999)
    async with run_worker(gateways=dataclasses.replace(gateways, model=Babbler())):
        handle = await world.start(BOTH)
        assert await finish(handle) == "manual_review"

    assert await world.refunds() == []
    info = (await handle.describe()).raw_description.workflow_execution_info
    assert info.history_size_bytes < HISTORY_BYTES


async def test_a_transcript_of_3_megabytes_neither_wedges_nor_fails_the_case(
    world: SmallWorld, gateways: Gateways, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    line = ("I was charged twice. " * 2000)[: MAX_TEXT_BYTES - 10]
    Talker.read.clear()
    async with run_worker(gateways=dataclasses.replace(gateways, model=Talker())):
        handle = await world.start(BILLING)
        await parked(handle)
        await _say_all(world, [f"{n:04d} {line}" for n in range(100)])
        await handle.signal("customer_said", {"message_id": "m99"})
        await status_is(handle, "investigating")
        await parked(handle)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    never_stuck(await events_of(handle))
    state = await world.state()
    assert (len(state.messages), state.messages_pruned) == (KEPT_MESSAGES, 101 - KEPT_MESSAGES)
    # The request, and of the others as much as one message may be: the newest of them.
    assert len(Talker.read) == 2
    trail = await world.session.stores.audit.trail(state.case_id, "main")
    assert any("99 older messages passed over" in row.detail for row in trail)
    assert len(await world.refunds()) == 1
    info = (await handle.describe()).raw_description.workflow_execution_info
    assert info.history_size_bytes < HISTORY_BYTES


async def _say_all(world: SmallWorld, texts: list[str]) -> None:
    """Put messages on record as `casekeeper say` does; only the last one is signalled."""
    record = world.session.stores.record
    for n, text in enumerate(texts):
        state = await record.load(
            CaseRef(case_id=f"case_{world.number}", customer_id=world.customer_id)
        )
        message = Message(message_id=f"m{n}", text=text, received_at=datetime.now(UTC))
        await record.commit(state, [message_step(message)])
