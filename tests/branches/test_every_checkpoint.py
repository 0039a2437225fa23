"""A fork at every checkpoint, with every kind of edit: the outside never notices."""

from pathlib import Path

import pytest

from tests.branches.lines import AMOUNTS, EDITS, branch_off, edits, lived, modes, outside
from tests.conftest import SmallWorld, WorkerFactory
from tests.workflows.support import finish
from tests.workflows.test_replay import replayer

_PAGE = Path(__file__).parents[2] / "docs" / "time-travel.md"
#: How the branch's refund is answered, where the edit comes after the policy's decision and before
#: the refund; None where it wants none. What is unchanged gets the main line's receipt.
_ANSWERED = {("policy", "amount"): "conflict", ("policy", "decision"): None}


@pytest.mark.parametrize("kind", AMOUNTS)
@pytest.mark.timeout(300)
async def test_no_fork_at_any_checkpoint_pays_mails_or_answers_again(
    kind: str, world: SmallWorld, run_worker: WorkerFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_worker():
        main = await lived(kind, world)
        before = await outside(world)
        assert len(before.refunds) == before.resets == len(before.answers) == 1
        steps = (await world.state()).completed_steps
        table = [await _row(world, at, step) for at, step in enumerate(steps, start=1)]
        await replayer().replay_workflow(await main.fetch_history())
    assert await outside(world) == before
    with capsys.disabled():
        print(f"\nRefunds after a fork of {kind}, by checkpoint and edit:", *table, sep="\n")  # noqa: T201
    # Which of the two agents was first is chance: the page has each row, in one order.
    assert set(table) <= set(_PAGE.read_text("utf-8").splitlines())


async def _row(world: SmallWorld, version: int, step: str) -> str:
    """Fork there with each edit, side by side; a line for the page: refunds at the provider."""
    before, name = await outside(world), step.partition(":")[0]
    case_id = f"case_{world.number}"
    state = await world.session.stores.cases.load(case_id, "main", at=version)
    forks = [await branch_off(world, version, edits(what, state)) for what in EDITS]
    refunds: list[str] = []
    for what, (branch, handle) in zip(EDITS, forks, strict=True):
        await finish(handle)
        found = await outside(world)
        assert found == before, f"{branch}: {step}, {what}"
        refunds.append(str(len(found.refunds)))
        if (name, what) in _ANSWERED or what == "unchanged":
            wanted = _ANSWERED.get((name, what), "adopted")
            assert (await modes(world, branch)).get("refund") == wanted
        await replayer().replay_workflow(await handle.fetch_history())
    return f"| {name.replace('_', ' ')} | {' | '.join(refunds)} |"
