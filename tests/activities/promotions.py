"""Promotions without Temporal: the activities one after the other, as the workflow runs them."""

from activities.promotion import Promoted, PromotedEffect, PromotionActivities, PromotionTask
from cases.effects import Outcome
from tests.activities.environment import run
from tests.conftest import SmallWorld
from tests.stores.promotions import TwoLines


def lines_of(world: SmallWorld, charges: list[str]) -> TwoLines:
    """Of a case about these charges, the first of which stays paid."""
    return TwoLines(
        world.session.stores,
        f"case_{world.number}",
        world.number,
        account="sandbox",
        customer_id=world.customer_id,
        charges=dict(enumerate(charges)),
    )


async def task_of(lines: TwoLines) -> PromotionTask:
    facts, plan = await lines.facts(), await lines.plan()
    return PromotionTask(
        case_id=lines.case_id,
        branch=lines.branch,
        customer_id=facts.customer_id,
        digest=plan.digest,
        approval_id=plan.approval_id,
        by="kim",
    )


async def carried_out(
    activities: PromotionActivities, task: PromotionTask
) -> tuple[list[Outcome], Promoted]:
    """Begin, do each line, and end."""
    begun = await run(activities.begin_promotion, task)
    outcomes = [
        await run(activities.carry_out, PromotedEffect(task=task, line=line))
        for line in begun.lines
    ]
    return outcomes, await run(activities.complete_promotion, task)
