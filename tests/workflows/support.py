"""What the tests of the story share: waiting on conditions, histories, and a slow outside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowFailureError, WorkflowHandle

from cases.accounts import Account
from cases.answers import AnswerFacts
from cases.approvals import Approval, ApprovalState, Verdict
from cases.billing import Charge
from cases.effects import EffectIntent, Outcome
from cases.messages import CaseOutcome
from cases.model_ports import LanguageModel, OpeningReply, UnderstandingReply
from gateways.offline.model import OfflineModel
from gateways.sandbox.accounts import SandboxAccounts
from gateways.sandbox.mail import SandboxMail
from gateways.sandbox.payments import SandboxPayments
from starters.approve import decide
from tests.conftest import SmallWorld
from workers.composition import Stores

T = TypeVar("T")
_BY_THE_SERVER = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
)
Handle = WorkflowHandle[Any, Any]

#: What customers write here; the offline router reads them as their names say.
BOTH = "I was charged twice, and I still can't log in."
BILLING = "I was charged twice for the family plan."
ACCOUNT = "I can't log in to my account."
NEITHER = "What are your opening hours?"
NOT_RECOGNISED = "I do not recognise this charge on my card."

#: Longer than anything here takes, on a busy machine: a workflow task that a worker did not get to
#: within 10 s is given out again.
PATIENCE_S = 60.0


async def eventually(probe: Callable[[], Awaitable[T | None]], within: float = PATIENCE_S) -> T:
    """The probe's first true answer; fails when none comes."""
    try:
        async with asyncio.timeout(within):
            while not (found := await probe()):  # noqa: ASYNC110  a server's state
                await asyncio.sleep(0.03)
            return found
    except TimeoutError as error:
        raise AssertionError(f"it never came true: {probe}") from error


async def events_of(handle: Handle) -> Sequence[HistoryEvent]:
    return (await handle.fetch_history()).events


def of_type(events: Sequence[HistoryEvent], *kinds: "EventType.ValueType") -> list[HistoryEvent]:
    return [event for event in events if event.event_type in kinds]


def scheduled(events: Sequence[HistoryEvent]) -> list[str]:
    """The activity types of a history, in the order in which they were scheduled."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in of_type(events, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    ]


def never_stuck(events: Sequence[HistoryEvent]) -> None:
    """A workflow task that our code failed is what a wedged case looks like.

    The server itself fails tasks too: when a signal came meanwhile, and at a reset.
    """
    failed = [
        event.workflow_task_failed_event_attributes
        for event in of_type(events, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    ]
    ours = [attributes for attributes in failed if attributes.cause not in _BY_THE_SERVER]
    assert [attributes.failure.message for attributes in ours] == []


async def ended(handle: Handle) -> Sequence[HistoryEvent]:
    """Wait until the run is closed, however it ends; its history."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _swallow(handle.result())
            events = await events_of(handle)
    except TimeoutError:
        never_stuck(await events_of(handle))
        raise
    never_stuck(events)
    return events


async def _swallow(result: Awaitable[Any]) -> None:
    with suppress(WorkflowFailureError):  # how it ended is read from the history
        await result


async def finish(handle: Handle) -> str:
    """Wait until the case completed; its status."""
    events = await ended(handle)
    assert events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
    outcome: CaseOutcome = await handle.result()
    return outcome.status.value


async def status_is(handle: Handle, status: str) -> dict[str, Any]:
    """Wait until the workflow itself says that it stands there; what it says."""

    async def stands() -> dict[str, Any] | None:
        state: dict[str, Any] = await handle.query("case_state")
        return state if state["status"] == status else None

    return await eventually(stands)


async def parked(handle: Handle) -> str:
    """Wait until the case waits for a person; the request's id."""
    state = await status_is(handle, "awaiting_approval")
    return str(state["sections"]["approval"]["approval_id"])


async def decided(world: SmallWorld, verdict: Verdict, case_id: str | None = None) -> None:
    """Decide as `casekeeper approve` and `deny` do."""
    await decide(world.session, case_id or f"case_{world.number}", verdict, by="lead")


async def request_of(world: SmallWorld, case_id: str | None = None) -> Approval:
    """The approval row of the world's case."""
    approvals = world.session.stores.approvals
    return await approvals.newest_of(case_id or f"case_{world.number}", "main")


async def row_decided_without_signal(world: SmallWorld, verdict: Verdict) -> None:
    """Only the row: as if the process died between its commit and the signal."""
    session = world.session
    token = (session.settings.home / "approvers" / "lead.token").read_text().strip()
    state = await world.state()
    await session.stores.approvals.decide(state, await request_of(world), token, verdict, "")


async def audit_of(world: SmallWorld, event: str, case_id: str | None = None) -> list[str]:
    """The details of the case's audit rows of one kind."""
    trail = await world.session.stores.audit.trail(case_id or f"case_{world.number}", "main")
    return [row.detail for row in reversed(trail) if row.event == event]


async def is_void(world: SmallWorld) -> bool:
    return (await request_of(world)).state is ApprovalState.VOID


class Gate:
    """Something that takes until it is let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.open.wait()

    async def until_reached(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.reached.wait()


class SlowModel:
    """The offline model behind gates, counting its calls."""

    def __init__(self, *, understand: Gate | None = None, write: Gate | None = None) -> None:
        self._inner: LanguageModel = OfflineModel()
        self._understand = understand
        self._write = write
        self.understood: list[str] = []
        self.written = 0

    @property
    def calls(self) -> int:
        return len(self.understood) + self.written

    async def understand(self, messages: Sequence[str]) -> UnderstandingReply:
        self.understood.extend(messages)
        if self._understand:
            await self._understand.pass_through()
        return await self._inner.understand(messages)

    async def pick_opening(self, messages: Sequence[str], facts: AnswerFacts) -> OpeningReply:
        self.written += 1
        if self._write:
            await self._write.pass_through()
        return await self._inner.pick_opening(messages, facts)


class SlowPayments(SandboxPayments):
    """The sandbox's payments behind gates."""

    def __init__(self, stores: Stores, *, find: Gate | None = None, refund: Gate | None = None):
        super().__init__(stores.sandbox)
        self._find = find
        self._refund = refund

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        if self._find:
            await self._find.pass_through()
        return await super().find_charges(customer_id)

    async def refund(self, intent: EffectIntent) -> Outcome:
        if self._refund:
            await self._refund.pass_through()
        return await super().refund(intent)


class SlowAccounts(SandboxAccounts):
    """The sandbox's accounts behind a gate."""

    def __init__(self, stores: Stores, *, find: Gate):
        super().__init__(stores.sandbox)
        self._find = find

    async def find(self, customer_id: str) -> Account | None:
        await self._find.pass_through()
        return await super().find(customer_id)


class SlowMail(SandboxMail):
    """The sandbox's mail behind a gate."""

    def __init__(self, stores: Stores, *, send: Gate):
        super().__init__(stores.sandbox)
        self._send = send

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        await self._send.pass_through()
        return await super().send_answer(intent)
