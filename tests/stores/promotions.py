"""A main line that paid something and a branch that wants something, without their workflows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cases.approvals import Approval, ApprovalState, Verdict
from cases.branches import Fork
from cases.correction_plan import make_plan
from cases.effects import (
    EffectIntent,
    EffectState,
    Outcome,
    ResolutionSection,
    answer_intent,
    refund_intent,
)
from cases.ids import MAIN
from cases.promotion import CorrectionPlan, PromotionFacts
from cases.state import CaseState, CaseStatus
from tests.stores.support import commit, opened, order, step
from workers.composition import Stores

Pay = Callable[[EffectIntent], Awaitable[Outcome]]
PAID = Outcome(state=EffectState.SUCCEEDED, receipt="re_1")

REJECTED = Outcome(state=EffectState.REJECTED, code="charge_disputed")


@dataclass
class TwoLines:
    """Sums are in minor units of USD, by the place of the twin in its group."""

    stores: Stores
    case_id: str
    number: str
    account: str = "acct_1"
    customer_id: str = ""
    charges: dict[int, str] = field(default_factory=dict[int, str])
    branch: str = "b1"

    async def main(
        self,
        paid: dict[int, int],
        outcome: Outcome = PAID,
        *,
        pay: Pay | None = None,
        answer: str | None = None,
    ) -> "TwoLines":
        """Open the case, pay that, with that outcome or for real, and close it."""
        await opened(self.stores, self.case_id, self.customer_id)
        for slot, minor in paid.items():
            intent = self.refund(slot, minor)
            await self.effect(intent, await pay(intent) if pay else outcome)
        if answer is not None:
            await self.effect(self.answer(answer), PAID)
        await self.close(MAIN)
        return self

    async def fork(
        self, wanted: dict[int, int], *, answer: str | None = None, close: bool = True
    ) -> "TwoLines":
        """Branch off after the first step, want that, and end."""
        await self.stores.branches.fork(
            Fork(
                case_id=self.case_id,
                branch=self.branch,
                parent_branch=MAIN,
                parent_version=1,
                by="kim",
            )
        )
        for slot, minor in wanted.items():
            await self.stores.ledger.claim(self.refund(slot, minor, self.branch))
        if answer is not None:
            await self.stores.ledger.claim(self.answer(answer, self.branch))
        if close:
            await self.close(self.branch)
        return self

    def refund(self, slot: int, minor: int, branch: str = MAIN) -> EffectIntent:
        one = order(self.number, minor, slot)
        one = one.model_copy(
            update={
                "charge_id": self.charges.get(slot, one.charge_id),
                "anchor_charge": self.charges.get(0, one.anchor_charge),
            }
        )
        made = refund_intent(
            one,
            case_id=self.case_id,
            branch=branch,
            customer_id=self.customer_id or f"cus_{self.case_id}",
            provider_account=self.account,
        )
        return made.model_copy(update={"limit_minor": 10**12})

    def answer(self, text: str, branch: str = MAIN) -> EffectIntent:
        customer = self.customer_id or f"cus_{self.case_id}"
        return answer_intent(case_id=self.case_id, branch=branch, customer_id=customer, text=text)

    async def effect(self, intent: EffectIntent, outcome: Outcome) -> None:
        _, claim = await self.stores.ledger.claim(intent)
        assert claim.outcome.state is EffectState.SENDING, claim
        await self.stores.ledger.settle_alone(intent, outcome)

    async def close(self, branch: str, status: CaseStatus = CaseStatus.ANSWERED) -> None:
        section = ResolutionSection(answer=f"By {branch}.", closes_as=status, sent=True)
        await commit(
            self.stores.cases, await self.state(branch), step("answer", section, status=status)
        )

    async def state(self, branch: str = MAIN) -> CaseState:
        return await self.stores.cases.load(self.case_id, branch)

    async def facts(self) -> PromotionFacts:
        return await self.stores.promotions.facts(self.case_id, self.branch)

    async def plan(self) -> CorrectionPlan:
        return make_plan(await self.facts())

    async def ask(self, by: str = "kim", needed: int = 1) -> ApprovalState | None:
        facts = await self.facts()
        return await self.stores.promotions.ask(facts, make_plan(facts), by, needed)

    async def request(self) -> Approval:
        found = await self.stores.approvals.of_promotion(self.case_id, self.branch)
        assert found
        return found

    async def approver(self, name: str, limit: int = 10**9, **fields: Any) -> str:
        token = await self.stores.approvers.add(f"{name}-{self.number}", {"USD": limit}, **fields)
        assert token
        return token

    async def say(self, token: str, verdict: Verdict = Verdict.APPROVED) -> None:
        """As `casekeeper approve` and `deny` do."""
        state, request = await self.state(), await self.request()
        await self.stores.approvals.decide(state, request, token, verdict, "because")

    async def begin(self, by: str = "kim") -> None:
        """Begin with the approval there is, if the plan needs one."""
        facts = await self.facts()
        approval = await self.request() if make_plan(facts).amount else None
        await self.stores.promotions.begin(facts, approval, by)

    async def audit(self, event: str, branch: str = MAIN) -> list[tuple[str, str]]:
        """Who did such a thing, and its detail, oldest first."""
        trail = await self.stores.audit.trail(self.case_id, branch)
        return [(row.actor, row.detail) for row in reversed(trail) if row.event == event]

    async def chains_hold(self) -> bool:
        lines = (MAIN, self.branch)
        return not [f for line in lines for f in await self.stores.audit.verify(self.case_id, line)]


async def approved(lines: TwoLines) -> None:
    """Ask for the promotion, and have it approved."""
    await lines.ask()
    await lines.say(await lines.approver("ann"))
