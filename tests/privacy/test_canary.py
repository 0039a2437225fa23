"""Unique words in every input: nothing that is kept shows them, and after `erase` no key does."""

import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cases.tasks import TaskKind
from runtime.keys import CUSTOMER_KEY_FILE, CUSTOMER_KEYS, KeyFile
from starters.session import Session
from stores.customer_keys import CustomerKeys
from stores.postgres import Pool
from tests.conftest import SmallWorld
from tests.privacy.canaries import (
    CANARIES,
    EDITED,
    ERROR,
    FOLLOW_UP,
    NOTE,
    REASON,
    TASK_NOTE,
    TEXT,
    in_bytes,
    in_columns,
    in_files,
)
from tests.runtime.test_tracing_of_a_worker import collector
from tests.scraped import scrape
from tests.starters.conftest import CommandLine
from tests.workers.process import WorkerProcess, worker_process
from tests.workflows.support import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]

#: What holds words of customers and about them, sealed with the customer's key: docs/privacy.md.
SEALED = {
    "approval_votes.note",
    "approvals.note",
    "branch_effects.intent",
    "case_audit.detail",
    "cases.error",
    "checkpoints.error",
    "effects.intent",
    "messages.body",
    "sections.body",
    "tasks.detail",
    "tasks.note",
}


class Story:
    """One customer's cases, told with every command that takes words."""

    def __init__(self, world: SmallWorld, casekeeper: CommandLine) -> None:
        self.world, self._casekeeper = world, casekeeper
        self.paid, self.cancelled, self.locked = (f"case_{world.number}{end}" for end in "pcl")

    async def run(self, *arguments: str) -> Any:
        done = await self._casekeeper(*arguments, "--json")
        assert done.code == 0, done.out + done.err
        return done.json()

    async def until(self, case_id: str, status: str) -> None:
        async def stands() -> bool:
            return bool((await self.run("show", case_id))["status"] == status)

        await eventually(stands, 60)

    async def tell(self) -> None:
        """A refund with a follow-up and a note, a cancelled case, an edited branch, a task."""
        await self.world.twins(120_000)
        customer = self.world.customer_id
        for case_id in (self.paid, self.cancelled):
            await self.run("start", "--customer", customer, "--case-id", case_id, TEXT)
            await self.until(case_id, "awaiting_approval")
        await self.run("say", self.paid, f"I forgot: {FOLLOW_UP}.")
        await self.until(self.paid, "awaiting_approval")
        await self.run("cancel", self.cancelled, "--reason", REASON)
        await self.until(self.cancelled, "cancelled")
        await self.run(
            "fork", self.paid, "--at", "main.1", "--wait", "--as", "other",
            "--set", f"request.text=I was charged twice. {EDITED}",
        )  # fmt: skip
        await self.run("approve", self.paid, "--by", "lead", "--note", NOTE)
        await self.until(self.paid, "answered")
        await self._hand_over()

    async def _hand_over(self) -> None:
        """A person's task, whose detail and note quote what was said."""
        tasks = self.world.session.stores.tasks
        task = await tasks.open(TaskKind.RUN_ENDED, self.paid, ERROR, case=(self.paid, "main"))
        assert task
        await self.run("resolve", task, "--note", TASK_NOTE, "--by", "lead")


async def in_redis(redis: Any) -> list[str]:
    """The canaries in any key or value of Redis."""
    found: list[str] = []
    async for key in redis.scan_iter():
        found += in_bytes(key)
        if await redis.type(key) == b"hash":
            fields: dict[bytes, bytes] = await redis.hgetall(key)
            found += [hit for part in (*fields, *fields.values()) for hit in in_bytes(part)]
        else:
            found += in_bytes(await redis.get(key) or b"")
    return found


@pytest.fixture
async def story(
    world: SmallWorld, casekeeper: CommandLine, home: Path, traces: list[bytes]
) -> AsyncGenerator[tuple[Story, WorkerProcess]]:
    """The story, told by commands to a worker whose logs, metrics and traces are kept."""
    with collector(traces) as address:
        variables = {
            "CASEKEEPER_TRACES": "otlp",
            "CASEKEEPER_LOG_LEVEL": "DEBUG",
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        }
        async with worker_process(home, **variables) as worker:
            told = Story(world, casekeeper)
            await told.tell()
            yield told, worker


@pytest.fixture
def traces() -> list[bytes]:
    """What a collector was sent."""
    return []


async def test_no_word_of_a_customer_is_found_in_what_is_kept_and_after_erase_no_key_opens_any(
    story: tuple[Story, WorkerProcess],
    traces: list[bytes],
    owner: Pool,
    session: Session,
    home: Path,
) -> None:
    (told, worker), stores = story, session.stores
    metrics = (await scrape(worker.metrics)).text
    worker.signal(signal.SIGTERM)
    assert await worker.code() == 0
    await owner.execute("CHECKPOINT")
    redis: Any = stores.redis
    await redis.execute_command("SAVE")

    assert in_files(home) == {}
    assert await in_columns(owner) == {}
    assert await in_redis(redis) == []
    log = "\n".join(worker.log).encode()
    assert (in_bytes(log), in_bytes(metrics.encode()), in_bytes(b"".join(traces))) == ([], [], [])
    # With the keys all of it is there, in the listed columns and nowhere else.
    readable = await in_columns(owner, stores.keys)
    assert set(readable) <= SEALED
    assert {word for words in readable.values() for word in words} == set(CANARIES)
    assert told.paid.encode() in log

    audited = await told.run("audit", "--verify")
    erased = await told.run(
        "erase", told.world.customer_id, "--reason", "asked for", "--by", "kim", "--yes"
    )
    assert erased["keys_destroyed"] == 1
    assert erased["cases"] == sorted([told.paid, told.cancelled])
    assert erased["left_in_clear"] == {}

    fresh = CustomerKeys(owner, KeyFile(home / CUSTOMER_KEY_FILE, CUSTOMER_KEYS))
    assert await in_columns(owner, fresh) == {}
    assert await in_redis(redis) == []
    await eventually(lambda: _no_runs(session.temporal, told.paid), 60)
    verified = await told.run("audit", "--verify")
    assert verified["rows"] == audited["rows"] + 3  # one for each line of the customer


async def _no_runs(client: Client, case_id: str) -> bool:
    try:
        await client.get_workflow_handle(case_id).describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False
