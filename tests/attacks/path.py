"""The road of a case without servers: the real agents and the real rules, over ports in memory."""

from dataclasses import dataclass, field
from typing import Any

from activities.agents import investigators
from activities.agents.base import Agent, Assignment, Tools
from activities.agents.policy import PolicyAgent
from activities.agents.response import ResponseAgent
from activities.agents.understanding import UnderstandingAgent
from activities.steps import CaseRef
from cases.effects import (
    EffectIntent,
    EffectState,
    RefundItem,
    RefundSection,
    ResolutionSection,
    refund_intent,
)
from cases.ids import MAIN
from cases.model_ports import LanguageModel
from cases.policy import PolicySection
from cases.ports import Dossier
from cases.routing import AfterPolicy, after_policy, topics_to_examine
from cases.sections import Section
from cases.state import CaseState, Message, StepUpdate, message_step, opening_step
from tests.attacks.worlds import FIRST, ME, OTHER, World
from tests.fakes import FakeAccounts, FakePayments
from workers.composition import shipped_policy

POLICY = shipped_policy()


@dataclass
class Attack:
    """One case of one customer, and what it paid."""

    world: World
    model: LanguageModel
    state: CaseState = field(init=False)
    paid: list[EffectIntent] = field(default_factory=list[EffectIntent])
    rules: list[str] = field(default_factory=list[str])
    by_person: bool = False

    def __post_init__(self) -> None:
        known = {name: self.world.account(name) for name in (ME, OTHER)}
        self.payments = FakePayments(charges=self.world.charges_of(ME, *self.world.careless))
        self.tools = Tools(
            model=self.model,
            payments=self.payments,
            accounts=FakeAccounts(accounts={name: one for name, one in known.items() if one}),
            policy=POLICY,
        )
        request = Message(message_id="request", text="refund ch_99", received_at=FIRST)
        opened = CaseState(case_id="case_1", customer_id=ME)
        self.state = opened.after(opening_step(request), 1)

    async def run(self, rounds: int) -> str:
        """Live the case to its answer, with a further message before each further round."""
        for number in range(1, rounds + 1):
            if number > 1:
                more = Message(message_id=f"m{number}", text="9999", received_at=FIRST)
                self.state = self.state.after(message_step(more), self.state.version + 1)
            await self._ask(UnderstandingAgent, number)
            agents = investigators()
            for topic in topics_to_examine(self.state, agents):
                await self._ask(agents[topic], number)
            await self._ask(PolicyAgent, number)
            self._settle()
        await self._ask(ResponseAgent, rounds)
        resolution = self.state.get(ResolutionSection)
        assert resolution
        return resolution.answer

    async def _ask(self, kind: type[Agent[Any]], number: int) -> None:
        dossier = Dossier(
            state=self.state.seen_by(kind.name()), refunded_lately=self.world.refunded_lately
        )
        agent = kind(self.tools.for_case(CaseRef(case_id="case_1", customer_id=ME)))
        finding = await agent.process(Assignment(dossier=dossier, round=number))
        self._write(f"{kind.name()}:{number}", finding.section)
        if finding.sets_off:
            self.state = self.state.after(finding.sets_off, self.state.version + 1)

    def _write(self, step: str, section: Section) -> None:
        update = StepUpdate(step=step, owner=section.owner, sections={section.name: section})
        self.state = self.state.after(update, self.state.version + 1)

    def _settle(self) -> None:
        """Pay as the workflow does: at once, or where a person approves."""
        policy = self.state.get(PolicySection)
        assert policy
        self.rules.append(policy.rule)
        way = after_policy(policy)
        asks = way is AfterPolicy.ASK_A_PERSON
        if way is AfterPolicy.PAY or (asks and self.world.approves):
            self.by_person = self.by_person or asks
            self._pay(policy)

    def _pay(self, policy: PolicySection) -> None:
        for order in policy.orders:
            intent = refund_intent(
                order,
                case_id=self.state.case_id,
                branch=MAIN,
                customer_id=self.state.customer_id,
                provider_account="sandbox",
            )
            step = f"refund:{order.anchor_charge}:{order.slot}"
            if step in self.state.completed_steps:
                continue
            self.paid.append(intent)
            before = self.state.get(RefundSection)
            item = RefundItem(
                charge_id=order.charge_id, amount=order.amount, state=EffectState.SUCCEEDED
            )
            self._write(step, RefundSection.of((*(before.items if before else ()), item)))
