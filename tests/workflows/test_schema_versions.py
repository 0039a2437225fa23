"""Cases that are under way when a new schema version is deployed go on, and pay once."""

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError

from activities.errors import temporal_failures
from cases.approvals import ApprovalSection, ApprovalState, Verdict
from cases.errors import SchemaTooNew
from cases.ids import MAIN
from cases.schema import SCHEMA_VERSION, Upgrade
from stores.postgres import Pool
from tests.conftest import SmallWorld, WorkerFactory
from tests.histories.record import FOLDER
from tests.stores.support import tell
from tests.workflows.support import (
    BILLING,
    decided,
    eventually,
    finish,
    parked,
    request_of,
    row_decided_without_signal,
)
from tests.workflows.test_replay import replayer


async def rewrite_as_version_1(world: SmallWorld, owner: Pool) -> None:
    """Make the stored case what version 1 would have stored, and lose its hot copy."""
    case_id = f"case_{world.number}"
    tables = ("sections", "checkpoints")
    async with owner.acquire() as connection, connection.transaction():
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table in ("cases", "checkpoints"):
            await connection.execute(
                f"UPDATE {table} SET schema_version = 1 WHERE case_id = $1",  # noqa: S608  ours
                case_id,
            )
        keys = world.session.stores.keys
        rows = await keys.opened(
            await connection.fetch("SELECT * FROM sections WHERE case_id = $1", case_id)
        )
        for row in rows:
            await connection.execute(
                "UPDATE sections SET body = $4, bytes = NULL "
                "WHERE case_id = $1 AND name = $2 AND version = $3",
                *(case_id, row["name"], row["version"]),
                _body_of_version_1(row["body"]),  # which sealed nothing
            )
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await tell(world.session.stores.redis, "FLUSHALL")


def _body_of_version_1(body: bytes) -> bytes:
    fields: dict[str, Any] = json.loads(body)
    fields.pop("schema_version", None)
    if "decided_by" in fields:
        fields["decided_by"] = next(iter(fields["decided_by"]), None)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


async def approval_of(world: SmallWorld, at: int | None = None) -> ApprovalSection:
    cases = world.session.stores.cases
    section = (await cases.load(f"case_{world.number}", MAIN, at=at)).get(ApprovalSection)
    assert section
    return section


async def test_a_case_that_version_1_parked_is_approved_and_paid_once_by_version_2(
    world: SmallWorld, owner: Pool, run_worker: WorkerFactory
) -> None:
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        request = await parked(handle)
    waits_at = (await world.state()).version
    await rewrite_as_version_1(world, owner)
    bodies = await world.session.stores.keys.opened(
        await owner.fetch(
            "SELECT body FROM sections WHERE case_id = $1 AND name = 'approval'", handle.id
        )
    )
    assert [json.loads(row["body"])["decided_by"] for row in bodies] == [None]

    async with run_worker():
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1
    now, then = await approval_of(world), await approval_of(world, at=waits_at)
    assert (now.approval_id, now.state, now.decided_by) == (
        request,
        ApprovalState.APPROVED,
        ("lead",),
    )
    assert (then.state, then.decided_by) == (ApprovalState.PENDING, ())
    history = await world.session.stores.cases.history(handle.id, MAIN)
    assert [one.schema_version for one in history] == [
        1 if one.version <= waits_at else SCHEMA_VERSION for one in history
    ]


async def test_a_request_of_version_1_is_still_the_same_when_version_2_decides_again(
    world: SmallWorld, owner: Pool, run_worker: WorkerFactory
) -> None:
    """What a person was asked rests on the digest of findings that no version changed."""
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        request = await parked(handle)
    await rewrite_as_version_1(world, owner)

    async with run_worker():
        await handle.signal("customer_said", {"text": "And I can't log in to my account."})
        await world.until_mailed("reset")
        asked = await request_of(world)
        assert (asked.approval_id, asked.state) == (request, ApprovalState.PENDING)
        await decided(world, Verdict.APPROVED)
        assert await finish(handle) == "answered"

    assert len(await world.refunds()) == 1


async def test_what_a_newer_worker_stored_waits_for_one_and_is_not_guessed_at(
    world: SmallWorld, run_worker: WorkerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer: dict[int, Upgrade] = {
        **ApprovalSection.upgrades,
        SCHEMA_VERSION + 1: lambda body: {**body, "channel": "console"},
    }
    monkeypatch.setattr(SchemaTooNew, "retry_after", timedelta(seconds=3))
    await world.twins(120_000)
    async with run_worker():
        handle = await world.start(BILLING)
        request = await parked(handle)
        with monkeypatch.context() as another_worker:
            another_worker.setattr(ApprovalSection, "upgrades", newer)
            await row_decided_without_signal(world, Verdict.APPROVED)
        await handle.signal("approval_decided", {"approval_id": request, "verdict": "approved"})
        refused = await eventually(lambda: _failure_that_is_retried(handle))

        monkeypatch.setattr(ApprovalSection, "upgrades", newer)
        assert await finish(handle) == "answered"

    assert f"version {SCHEMA_VERSION + 1}, and this code knows it up to version 2" in refused
    assert len(await world.refunds()) == 1
    stored = (await approval_of(world)).model_dump()
    assert (stored["decided_by"], stored["channel"]) == (("lead",), "console")


async def _failure_that_is_retried(handle: Any) -> str | None:
    pending = (await handle.describe()).raw_description.pending_activities
    messages = [activity.last_failure.message for activity in pending]
    return next((message for message in messages if "schema version" in message), None)


async def test_an_activity_that_meets_a_newer_version_waits_before_it_tries_again() -> None:
    with pytest.raises(ApplicationError, match="version 3") as failure:
        async with temporal_failures():
            raise SchemaTooNew("approval", 3, 2)

    assert failure.value.type == "SchemaTooNew"
    assert not failure.value.non_retryable
    assert failure.value.next_retry_delay == SchemaTooNew.retry_after


async def test_a_history_that_a_newer_worker_wrote_is_not_replayed() -> None:
    """The workflow's task fails and is given to another worker; the case does not."""
    newer = f'"approval":{{"schema_version":{SCHEMA_VERSION + 1},'

    def doctored(payload: re.Match[str]) -> str:
        text = base64.b64decode(payload[1]).decode().replace('"approval":{', newer)
        return f'"data": "{base64.b64encode(text.encode()).decode()}"'

    recorded = (FOLDER / "in_flight.json").read_text("utf-8")
    history = WorkflowHistory.from_json(
        "case_in_flight", re.sub(r'"data": "([^"]+)"', doctored, recorded)
    )
    result = await replayer().replay_workflow(history, raise_on_replay_failure=False)

    assert result.replay_failure
    assert "Failed decoding arguments" in str(result.replay_failure)
