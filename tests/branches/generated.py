"""Cases, branches and promotions by chance, carried out by the activities without an engine."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.effects import AnswerTask, EffectActivities
from activities.ledger import LedgeredEffects
from activities.promotion import PromotedEffect, PromotionActivities, PromotionTask
from activities.refunds import RefundActivities, RefundTask
from activities.steps import CaseRef
from cases.answers import closing_status
from cases.approvals import Verdict
from cases.billing import RefundOrder, examine_charges
from cases.branches import Fork
from cases.correction_plan import make_plan
from cases.edits import apply_edits, parse_edit
from cases.effects import RefundItem, RefundSection, ResolutionSection
from cases.ids import MAIN
from cases.policy import Decision, PolicySection
from cases.promotion import CorrectionPlan
from cases.records import canonical
from cases.sections import Section
from cases.state import CaseState, CaseStatus, Message, StepUpdate
from tests.activities.environment import run
from tests.conftest import SmallWorld
from workers.composition import Gateways, Stores, shipped_policy

#: More calls than a charge gets here.
_OFTEN = 9
_NO_MONEY = "policy.decision=no_action"


class NoRuns:
    """No case of these has a run."""

    async def stop(self, case_id: str, branch: str, reason: str) -> None:
        del case_id, branch, reason


@dataclass(frozen=True)
class Promoted:
    """What a promotion came to, and what it should have."""

    plan: CorrectionPlan
    status: CaseStatus
    #: By charge, in minor units: at the provider before and after, and as the branch says.
    before: Mapping[str, int]
    after: Mapping[str, int]
    wanted: Mapping[str, int]
    #: What the case says afterwards that was paid, in minor units.
    told: int
    #: Charges of which the provider refunds nothing.
    disputed: frozenset[str]
    #: How the branch itself had ended.
    branch_status: CaseStatus


@dataclass
class Line:
    """One case of a customer who was charged too often, and its branches."""

    world: SmallWorld
    gateways: Gateways
    chance: random.Random
    case_id: str = ""
    twins: list[str] = field(default_factory=list[str])
    disputed: frozenset[str] = frozenset()
    price: int = 0
    decided_at: int = 0
    forks: int = 0

    @property
    def stores(self) -> Stores:
        return self.world.session.stores

    async def begin(self) -> None:
        """Charge the customer; decide on the main line, and pay some of it or all."""
        self.case_id = f"case_{self.world.number}"
        self.price = self.chance.randint(100, 9_000)
        self.twins = await self.world.twins(self.price, count=self.chance.randint(2, 4))
        self.disputed = frozenset(self.twins[-1:] if self.chance.random() < 0.1 else [])
        script = ["disputed"] * _OFTEN if self.disputed else ["ok"]
        await self.stores.sandbox.execute(
            "UPDATE sandbox.charges SET script = $2 WHERE id = $1", self.twins[-1], script
        )
        ref = CaseRef(case_id=self.case_id, customer_id=self.world.customer_id)
        text = "I was charged too often."
        request = Message(message_id="request", text=text, received_at=datetime.now(UTC))
        await self.stores.record.open(ref, request)
        payments = self.gateways.payments
        billing = examine_charges(await payments.find_charges(ref.customer_id))
        policy = PolicySection(
            decision=Decision.REFUND,
            rule="proven_duplicate",
            reason="A duplicate.",
            policy_version=1,
            amount=billing.refundable,
            orders=billing.orders,
        )
        await self._commit(MAIN, "billing:1", billing)
        await self._commit(MAIN, "policy:1", policy)
        self.decided_at = (await self._state(MAIN)).version
        await self._pay(MAIN, policy.orders[: self.chance.randint(0, len(policy.orders))])
        if self.chance.random() < 0.7:
            await self._answer(MAIN)

    async def branch_off(self) -> str:
        """A branch from the decision, on which other sums are paid, brought to its end."""
        self.forks += 1
        state = await self.stores.cases.load(self.case_id, MAIN, at=self.decided_at)
        edits = [parse_edit(text) for text in self._edits(state)]
        fork = Fork(
            case_id=self.case_id,
            branch=f"b{self.forks}",
            parent_branch=MAIN,
            parent_version=self.decided_at,
            by="kim",
            sections=apply_edits(state, edits),
        )
        await self.stores.branches.fork(fork)
        policy = (await self._state(fork.branch)).get(PolicySection)
        assert policy
        await self._pay(fork.branch, policy.orders)
        await self._answer(fork.branch)
        return fork.branch

    def _edits(self, state: CaseState) -> list[str]:
        policy = state.get(PolicySection)
        assert policy
        kept = [order for order in policy.orders if self.chance.random() < 0.8]
        if not kept:
            return [_NO_MONEY]
        orders = [self._changed(order).model_dump(mode="json") for order in kept]
        return [f"policy.orders={canonical(orders).decode()}"]

    def _changed(self, order: RefundOrder) -> RefundOrder:
        if self.chance.random() < 0.3:
            return order
        minor = self.chance.randint(1, self.price)
        return order.model_copy(
            update={"amount": order.amount.model_copy(update={"amount_minor": minor})}
        )

    async def promote(self, branch: str) -> Promoted:
        """As `casekeeper promote` and its workflow do, with a lead's approval."""
        before = await self.at_the_provider()
        facts = await self.stores.promotions.facts(self.case_id, branch)
        plan = make_plan(facts)
        asked = await self.stores.promotions.ask(facts, plan, "kim", 1)
        if asked:
            await self._approve(branch)
        task = PromotionTask(
            case_id=self.case_id,
            branch=branch,
            customer_id=self.world.customer_id,
            digest=plan.digest,
            approval_id=plan.approval_id,
            by="kim",
        )
        activities = self._promotion()
        begun = await run(activities.begin_promotion, task)
        for line in begun.lines:
            await run(activities.carry_out, PromotedEffect(task=task, line=line))
        ended = await run(activities.complete_promotion, task)
        ended_as = await self._state(branch)
        says = ended_as.get(RefundSection)
        main = (await self._state(MAIN)).get(RefundSection)
        return Promoted(
            plan=plan,
            status=ended.status,
            before=before,
            after=await self.at_the_provider(),
            wanted={item.charge_id: item.amount.amount_minor for item in _stand(says)},
            told=main.amount.amount_minor if main else 0,
            disputed=self.disputed,
            branch_status=ended_as.status,
        )

    async def at_the_provider(self) -> dict[str, int]:
        paid: dict[str, int] = {}
        for refund in await self.world.refunds():
            if refund["status"] == "succeeded":
                charge = refund["charge_id"]
                paid[charge] = paid.get(charge, 0) + refund["amount_minor"]
        return paid

    async def _approve(self, branch: str) -> None:
        request = await self.stores.approvals.of_promotion(self.case_id, branch)
        assert request
        home = self.world.session.settings.home
        token = (home / "approvers" / "lead.token").read_text().strip()
        state = await self._state(MAIN)
        await self.stores.approvals.decide(state, request, token, Verdict.APPROVED, "")

    async def _pay(self, branch: str, orders: tuple[RefundOrder, ...]) -> None:
        effects = LedgeredEffects(self.stores.record, self.stores.ledger)
        payments, tasks = self.gateways.payments, self.stores.tasks
        refunds = RefundActivities(effects, payments, tasks, shipped_policy())
        for order in orders:
            state = await self._state(branch)
            task = RefundTask(
                ref=self._ref(branch),
                order=order,
                so_far=state.get(RefundSection),
                expected_version=state.section_versions.get(RefundSection.name, 0),
            )
            await run(refunds.issue_refund, task)

    async def _answer(self, branch: str) -> None:
        effects = LedgeredEffects(self.stores.record, self.stores.ledger)
        activities = EffectActivities(
            effects, self.gateways.accounts, self.gateways.mail, self.stores.tasks
        )
        closes_as = closing_status(await self._state(branch))
        answer = ResolutionSection(answer=f"Hello from {branch}.", closes_as=closes_as)
        await run(activities.send_answer, AnswerTask(ref=self._ref(branch), resolution=answer))

    def _promotion(self) -> PromotionActivities:
        return PromotionActivities(
            self.stores.record,
            self.stores.promotions,
            self.stores.approvals,
            LedgeredEffects(self.stores.record, self.stores.ledger),
            self.stores.tasks,
            payments=self.gateways.payments,
            accounts=self.gateways.accounts,
            mail=self.gateways.mail,
            runs=NoRuns(),
        )

    def _ref(self, branch: str) -> CaseRef:
        return CaseRef(case_id=self.case_id, customer_id=self.world.customer_id, branch=branch)

    async def _state(self, branch: str) -> CaseState:
        return await self.stores.cases.load(self.case_id, branch)

    async def _commit(self, branch: str, step: str, section: Section) -> None:
        update = StepUpdate(step=step, owner=section.owner, sections={section.name: section})
        await self.stores.record.commit(await self._state(branch), [update])


def _stand(refund: RefundSection | None) -> list[RefundItem]:
    """What is paid back on a branch: one that was rejected on the main line is so there too."""
    return [item for item in refund.items if item.state.done] if refund else []
