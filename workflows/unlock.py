"""Unlock a customer's account, as a person decided."""

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from activities.effects import EffectActivities
    from activities.options import EFFECT
    from activities.steps import CaseRef
    from cases.effects import Outcome


# Not pinned: with one step there is no order that could change.
@workflow.defn(name="UnlockAccount", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UnlockAccountWorkflow:
    """One unlock. Whoever starts it: the ledger looks for the person's decision on record."""

    @workflow.run
    async def run(self, ref: CaseRef) -> Outcome:
        """Unlock, once; what became of it."""
        effect = await workflow.execute_activity_method(
            EffectActivities.unlock_account, ref, **EFFECT.normal(), summary="Unlock the account"
        )
        return effect.outcome
