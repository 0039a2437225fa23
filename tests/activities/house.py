"""The effect activities over ports in memory."""

from activities.effects import AnswerTask, EffectActivities, ResetTask
from activities.ledger import EffectReport, LedgeredEffects
from activities.record import CaseRecord
from activities.refunds import RefundActivities, RefundTask
from cases.accounts import AccountSection
from cases.effects import (
    EffectState,
    Outcome,
    ResolutionSection,
)
from cases.state import CaseState, CaseStatus
from tests.activities.agents import POLICY
from tests.activities.environment import REF, environment
from tests.fake_ledger import FakeLedger, FakeTasks
from tests.fakes import (
    FakeAccounts,
    FakeHot,
    FakeMail,
    FakePayments,
    FakeStore,
)
from tests.samples import case, order

DUE = AccountSection(status="reset_due", reset_needed=True)
WRITTEN = ResolutionSection(answer="Hello.", closes_as=CaseStatus.ANSWERED)
UNKNOWN = Outcome(state=EffectState.UNKNOWN, code="no_answer")

REFUND = RefundTask(ref=REF, order=order())
RESET = ResetTask(ref=REF, account=DUE, expected_version=2)
ANSWER = AnswerTask(ref=REF, resolution=WRITTEN, expected_version=3)


class House:
    """The effects of one case, with one list of all that happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.store = FakeStore.of(case(DUE, WRITTEN))
        self.ledger = FakeLedger(self.store, events=self.events)
        self.payments = FakePayments(events=self.events)
        self.accounts = FakeAccounts(events=self.events)
        self.mail = FakeMail(events=self.events)
        self.tasks = FakeTasks()
        effects = LedgeredEffects(CaseRecord(self.store, FakeHot()), self.ledger)
        self.refunds = RefundActivities(effects, self.payments, self.tasks, POLICY)
        self.effects = EffectActivities(effects, self.accounts, self.mail, self.tasks)

    @property
    def state(self) -> CaseState:
        return self.store.cases["case_1", "main"]

    async def perform(self, kind: str, *, attempt: int = 1) -> EffectReport:
        env = environment(attempt=attempt)
        if kind == "refund":
            return await env.run(self.refunds.issue_refund, REFUND)
        if kind == "reset":
            return await env.run(self.effects.send_reset_mail, RESET)
        return await env.run(self.effects.send_answer, ANSWER)

    def answers(self, kind: str) -> list[Outcome]:
        """What the outside will answer."""
        return {
            "refund": self.payments.answers,
            "reset": self.accounts.answers,
            "answer": self.mail.answers,
        }[kind]
