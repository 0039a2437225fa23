"""What the tests of promotions on real servers share: a branch that has ended, promoted."""

import asyncio
from typing import Any

from cases.approvals import Verdict
from starters.approve import decide
from starters.promote import Handle, promote_branch
from starters.session import Session
from tests.branches.lines import branch_off
from tests.conftest import SmallWorld
from tests.workflows.support import finish
from workflows.promote import PromotionResult

#: A worker that was killed is noticed within the effects' heartbeat.
_PATIENCE_S = 60


def version_after(steps: tuple[str, ...], name: str) -> int:
    """The version that the step of that name made."""
    return next(n for n, step in enumerate(steps, 1) if step.partition(":")[0] == name)


async def forked(world: SmallWorld, after: str, *edits: str) -> str:
    """A branch of the world's case after a step, brought to its end."""
    version = version_after((await world.state()).completed_steps, after)
    branch, handle = await branch_off(world, version, edits)
    await finish(handle)
    return branch


async def promoted(
    world: SmallWorld, branch: str, verdict: Verdict | None = None
) -> tuple[dict[str, Any], PromotionResult]:
    """Ask, decide as the lead where that is needed, and follow it to its end."""
    shown, handle = await promote_branch(world.session, f"case_{world.number}", branch)
    if verdict:
        assert shown["state"] == "awaiting_approval"
        await decide(world.session, f"case_{world.number}", verdict, by="lead")
    return shown, await result_of(handle)


async def result_of(handle: Handle) -> PromotionResult:
    async with asyncio.timeout(_PATIENCE_S):
        result: PromotionResult = await handle.result()
        return result


async def has_done(world: SmallWorld, step: str) -> bool:
    return step in (await world.state()).completed_steps


async def tasks_of(world: SmallWorld) -> list[tuple[str, str]]:
    waiting = await world.session.stores.tasks.waiting()
    return [(t.kind, t.detail) for t in waiting if t.case_id == f"case_{world.number}"]


async def chains_hold(session: Session, case_id: str, branch: str) -> None:
    for line in ("main", branch):
        assert await session.stores.audit.verify(case_id, line) == []
