"""Record histories anew, from real runs: `uv run python -m tests.histories.record [NAME ...]`.

Do this only when the workflow's commands change on purpose; then keep the old files of a released
version beside the new ones, as open cases of that version must still replay.
"""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from cases.approvals import Verdict
from runtime.embedded.stack import EmbeddedStack
from runtime.servers import of_stack
from runtime.settings import Settings
from starters.approve import decide
from starters.promote import promote_branch
from starters.session import CaseHandle, Session, open_session
from starters.tokens import save_token
from tests.branches.lines import branch_off
from tests.conftest import SmallWorld
from tests.workflows.support import BILLING, BOTH, NEITHER, decided, ended, finish, parked
from workers.composition import all_activities, sandbox_gateways
from workers.main import build_worker
from workers.preparation import prepare
from workflows.case_file import CASE_BRANCH, CASE_STATUS, NEEDS_HUMAN, SEARCH_ATTRIBUTES

FOLDER = Path(__file__).parent

Handle = WorkflowHandle[Any, Any]
Scene = Callable[[SmallWorld, WorkflowEnvironment], Awaitable[Handle]]


async def _refunded(world: SmallWorld, _: WorkflowEnvironment) -> CaseHandle:
    await world.twins(4999)
    handle = await world.start(BOTH)
    await finish(handle)
    return handle


async def _in_flight(world: SmallWorld, _: WorkflowEnvironment) -> CaseHandle:
    await world.twins(120_000)
    handle = await world.start(BILLING)
    await parked(handle)
    return handle


async def _approved(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    handle = await _in_flight(world, env)
    await decided(world, Verdict.APPROVED)
    await finish(handle)
    return handle


async def _denied(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    handle = await _in_flight(world, env)
    await decided(world, Verdict.DENIED)
    await finish(handle)
    return handle


async def _expired(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    handle = await _in_flight(world, env)
    await env.fast_forward(handle, timedelta(hours=71, minutes=50))
    await env.fast_forward(handle, timedelta(minutes=20))
    await finish(handle)
    return handle


async def _cancelled(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    handle = await _in_flight(world, env)
    await handle.cancel()
    await ended(handle)
    return handle


async def _followed_up(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    handle = await _in_flight(world, env)
    await handle.signal("customer_said", {"text": "And I can't log in to my account."})
    await world.until_mailed("reset")
    await decided(world, Verdict.APPROVED)
    await finish(handle)
    return handle


async def _nothing_found(world: SmallWorld, _: WorkflowEnvironment) -> CaseHandle:
    await world.twins(4999, count=1)
    handle = await world.start(BILLING)
    await finish(handle)
    return handle


async def _neither(world: SmallWorld, _: WorkflowEnvironment) -> CaseHandle:
    await world.customer()
    handle = await world.start(NEITHER)
    await finish(handle)
    return handle


async def _branched(world: SmallWorld, env: WorkflowEnvironment) -> CaseHandle:
    """Forked between the decision and the request; what a person would decide is assumed."""
    await _in_flight(world, env)
    asked = (await world.state()).completed_steps.index("policy:1") + 1
    _, handle = await branch_off(world, asked, [])
    await finish(handle)
    return handle


async def _promoted(world: SmallWorld, env: WorkflowEnvironment) -> Handle:
    """A branch that pays, and a main line that waits for a person."""
    await _in_flight(world, env)
    decided_at = (await world.state()).completed_steps.index("policy:1") + 1
    branch, handle = await branch_off(world, decided_at, ["policy.amount=1100.00"])
    await finish(handle)
    case_id = f"case_{world.number}"
    shown, promotion = await promote_branch(world.session, case_id, branch)
    request_id = shown["approval_id"]
    await decide(world.session, case_id, Verdict.APPROVED, by="lead", request_id=request_id)
    await promotion.result()
    return promotion


KINDS_OF_CASE: dict[str, Scene] = {
    "refunded": _refunded,
    "in_flight": _in_flight,
    "approved": _approved,
    "denied": _denied,
    "expired": _expired,
    "cancelled": _cancelled,
    "followed_up": _followed_up,
    "nothing_found": _nothing_found,
    "neither": _neither,
}
#: A branch and a promotion have histories of their own; what is stored of them is a case's.
SCENES: dict[str, Scene] = {**KINDS_OF_CASE, "branched": _branched, "promoted": _promoted}


@asynccontextmanager
async def _servers(home: Path) -> AsyncGenerator[tuple[Session, WorkflowEnvironment]]:
    """Real stores, and a Temporal on which time can be skipped."""
    settings = Settings(home=home)
    with EmbeddedStack.start(home, search_attributes=SEARCH_ATTRIBUTES) as stack:
        servers = of_stack(settings, stack.addresses)
        prepared = await prepare(servers)
        save_token(home, prepared.approver or "", prepared.token or "")
        async with (
            await WorkflowEnvironment.start_time_skipping_v2(
                dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
                dev_server_extra_args=[
                    "--dynamic-config-value",
                    "frontend.WorkflowTimeSkippingEnabled=true",
                ],
                dev_server_log_level="error",
                search_attributes=[CASE_STATUS, CASE_BRANCH, NEEDS_HUMAN],
                data_converter=pydantic_data_converter,
            ) as env,
            open_session(servers) as session,
        ):
            yield replace(session, settings=settings, temporal=env.client), env


def _without_machine(text: str) -> str:
    """The history without this machine's name."""
    return text.replace(f"{os.getpid()}@{socket.gethostname()}", "recorder")


async def record(home: Path, names: Sequence[str] = ()) -> None:
    """Play each scene, or those that are named, and write its history."""
    async with _servers(home) as (session, env):
        stores = session.stores
        activities = all_activities(stores, sandbox_gateways(stores, session.settings))
        async with build_worker(env.client, activities, session.settings):
            for name in names or SCENES:
                handle = await SCENES[name](SmallWorld(session, name), env)
                history = await handle.fetch_history()
                path = FOLDER / f"{name}.json"
                path.write_text(_without_machine(history.to_json()) + "\n", "utf-8")
                sys.stdout.write(f"{path.name}: {len(history.events)} events\n")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    try:
        asyncio.run(record(place, sys.argv[1:]))
    finally:
        shutil.rmtree(place, ignore_errors=True)
