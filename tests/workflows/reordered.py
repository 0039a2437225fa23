"""A workflow that was changed the wrong way: it decides before anyone has looked."""

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from cases.messages import CaseOutcome, CaseRequest
    from workflows.support_case import SupportCaseWorkflow


@workflow.defn(name="SupportCase", versioning_behavior=VersioningBehavior.PINNED)
class ReorderedWorkflow(SupportCaseWorkflow):
    """As SupportCaseWorkflow, but the policy comes first."""

    @workflow.init
    def __init__(self, request: CaseRequest | None = None) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: CaseRequest | None = None) -> CaseOutcome:
        return await super().run(request)

    async def _investigate(self) -> None:
        await self._decide()
        await super()._investigate()
