"""A whole case on real servers: what Temporal keeps of it can be read with the keys only."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.worker import Replayer

from cases.approvals import Verdict
from cases.billing import Charge
from gateways.sandbox.payments import SandboxPayments
from runtime.servers import Servers
from runtime.temporal import connect
from starters.approve import decide
from tests.conftest import SmallWorld, WorkerFactory
from tests.encrypted.support import files_with, in_clear, keys_used, walk
from tests.histories.record import FOLDER
from tests.workflows.support import BILLING, decided, ended, finish, parked
from tests.workflows.test_replay import stored
from workers.composition import Gateways, Stores
from workers.main import sandbox_runner
from workers.schedules import ROUTINES, ensure_schedules
from workflows.promote import PromoteWorkflow
from workflows.support_case import SupportCaseWorkflow

#: The payloads that stay in clear: what the server searches by, and the SDK's own notes about a
#: local activity (its number, type and times; not its result).
_NEVER_ENCRYPTED = (
    ".search_attributes.indexed_fields[",
    ".marker_recorded_event_attributes.details[data]",
)
_MAIL, _PHONE, _NOTE, _REASON, _ERROR = (
    "canary-4711@lovelace.org", "+49 30 5550 4711", "canary-note", "canary-reason", "canary-error",
)  # fmt: skip
CANARIES = (_MAIL, _PHONE, _NOTE, _REASON, _ERROR)


class FailingPayments(SandboxPayments):
    """Fails once with private words in its error, as careless code does."""

    failed = False

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        if not self.failed:
            self.failed = True
            raise RuntimeError(_ERROR)
        return await super().find_charges(customer_id)


def unexpected(message: Message) -> list[str]:
    """Where payloads lie in clear that should not."""
    clear = [path for path, value in in_clear(message) if isinstance(value, Payload)]
    return [path for path in clear if not any(known in path for known in _NEVER_ENCRYPTED)]


async def whole_story(
    world: SmallWorld, run_worker: WorkerFactory, gateways: Gateways, stores: Stores
) -> History:
    """A case with a failing activity, a follow-up, an approval with a note; its history."""
    await world.twins(120_000)
    careless = dataclasses.replace(gateways, payments=FailingPayments(stores.sandbox))
    async with run_worker(gateways=careless):
        handle = await world.start(f"{BILLING} {_MAIL}")
        await parked(handle)
        await handle.signal("customer_said", {"text": f"{BILLING} Call me: {_PHONE} {_MAIL}"})
        await parked(handle)
        await decide(world.session, handle.id, Verdict.APPROVED, by="lead", note=_NOTE)
        assert await finish(handle) == "answered"

        other = SmallWorld(world.session, f"{world.number}c")
        await other.twins(120_000)
        cancelled = await other.start(BILLING)
        await parked(cancelled)
        await cancelled.signal("cancel_case", {"reason": _REASON})
        events = await ended(cancelled)
    return History(events=[*(await handle.fetch_history()).events, *events])


async def test_nothing_that_temporal_keeps_of_a_case_can_be_read_without_the_keys(
    world: SmallWorld, run_worker: WorkerFactory, gateways: Gateways, stores: Stores, home: Path
) -> None:
    history = await whole_story(world, run_worker, gateways, stores)

    assert unexpected(history) == []
    said = " ".join(str(value) for _, value in in_clear(history))
    for words in (*CANARIES, world.customer_id, "Traceback", "test_story"):
        assert words not in said
    for words in (*CANARIES, world.customer_id):
        assert files_with(home / "temporal", words) == []
    # A search that finds nothing at all would find no canary either.
    assert files_with(home / "temporal", f"case_{world.number}") != []


async def test_without_keys_the_same_story_would_be_read_there(
    world: SmallWorld, run_worker: WorkerFactory, servers: Servers, home: Path
) -> None:
    plain = await connect(servers.model_copy(update={"payload_keys": None}))
    session = dataclasses.replace(world.session, temporal=plain)
    open_world = SmallWorld(session, world.number)
    await open_world.twins(120_000)
    async with run_worker(client=plain):
        handle = await open_world.start(BILLING)
        await parked(handle)
        await handle.signal("customer_said", {"text": f"{BILLING} canary-in-clear"})
        await parked(handle)
        await decided(open_world, Verdict.DENIED)
        await finish(handle)

    assert files_with(home / "temporal", "canary-in-clear") != []
    assert files_with(home / "temporal", world.customer_id) != []


async def test_memo_summaries_and_details_are_encrypted_and_our_commands_read_them(
    world: SmallWorld, run_worker: WorkerFactory, client: Client
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        request = DescribeWorkflowExecutionRequest(namespace=client.namespace)
        request.execution.workflow_id = handle.id
        raw = await client.workflow_service.describe_workflow_execution(request)
        description = await handle.describe()
        await decided(world, Verdict.DENIED)
        await finish(handle)

    assert unexpected(raw) == []
    sealed = {path for path, value in walk(raw) if isinstance(value, Payload)}
    assert ".workflow_execution_info.memo.fields[branch]" in sealed
    assert ".execution_config.user_metadata.summary" in sealed
    assert await description.static_summary() == "Support case"
    assert (await description.memo())["branch"] == "main"


async def test_a_plain_signal_as_the_temporal_program_sends_it_is_understood(
    world: SmallWorld, run_worker: WorkerFactory, servers: Servers
) -> None:
    plain = await connect(servers.model_copy(update={"payload_keys": None}))
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        await parked(handle)
        await plain.get_workflow_handle(handle.id).signal("cancel_case", {"reason": "by hand"})
        await ended(handle)

    assert (await world.state()).status.value == "cancelled"


async def test_what_the_clock_starts_is_encrypted_too(client: Client) -> None:
    await ensure_schedules(client)
    for routine in ROUTINES:
        handle = client.get_schedule_handle(routine.schedule_id)
        raw = (await handle.describe()).raw_description
        assert keys_used(raw) != set()
        assert unexpected(raw) == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
async def test_a_history_from_before_encryption_replays(path: Path, client: Client) -> None:
    replayer = Replayer(
        workflows=[SupportCaseWorkflow, PromoteWorkflow],
        data_converter=client.data_converter,
        workflow_runner=sandbox_runner(),
    )
    result = await replayer.replay_workflow(stored(path), raise_on_replay_failure=False)

    assert result.replay_failure is None
