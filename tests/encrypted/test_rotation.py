"""The key is changed while cases are open: none of them notices."""

import asyncio
from pathlib import Path

from temporalio.api.history.v1 import History
from temporalio.client import Client
from temporalio.worker import Replayer

from cases.approvals import Verdict
from runtime.keys import KEY_FILE, LOOK_AGAIN_S, read_keys
from tests.conftest import SmallWorld, WorkerFactory
from tests.encrypted.support import keys_used
from tests.starters.conftest import CommandLine
from tests.workflows.support import BILLING, Handle, decided, finish, parked
from workers.main import sandbox_runner
from workflows.support_case import SupportCaseWorkflow

_CASES = 100


async def rotated(casekeeper: CommandLine, home: Path) -> str:
    """Change the key as people do; the new one's id."""
    done = await casekeeper("keys", "rotate", "--json")
    [newest] = [key["id"] for key in done.json()["keys"] if key["encrypts"]]
    assert newest == read_keys(home / KEY_FILE).newest
    return str(newest)


async def test_cases_that_wait_while_the_key_changes_all_end_and_replay(
    world: SmallWorld,
    run_worker: WorkerFactory,
    client: Client,
    casekeeper: CommandLine,
    home: Path,
) -> None:
    first = read_keys(home / KEY_FILE).newest
    worlds = [SmallWorld(world.session, f"{world.number}-{place}") for place in range(_CASES)]
    handles: list[Handle] = []
    async with run_worker():
        for one in worlds:
            await one.twins(120_000)
            handles.append(await one.start(BILLING))
        for handle in handles:
            await parked(handle)
        await rotated(casekeeper, home)
        for one in worlds[: _CASES // 2]:
            await decided(one, Verdict.APPROVED)
        ends = [await finish(handle) for handle in handles[: _CASES // 2]]
    third = await rotated(casekeeper, home)
    await asyncio.sleep(LOOK_AGAIN_S)
    async with run_worker(max_cached_workflows=0):
        for one in worlds[_CASES // 2 :]:
            await decided(one, Verdict.APPROVED)
        ends += [await finish(handle) for handle in handles[_CASES // 2 :]]

    assert ends == ["answered"] * _CASES
    replayer = Replayer(
        workflows=[SupportCaseWorkflow],
        data_converter=client.data_converter,
        workflow_runner=sandbox_runner(),
    )
    for place, handle in enumerate(handles):
        history = await handle.fetch_history()
        await replayer.replay_workflow(history)
        used = keys_used(History(events=history.events))
        assert first in used
        assert (third in used) == (place >= _CASES // 2)
    for one in worlds:
        assert len(await one.refunds()) == 1
