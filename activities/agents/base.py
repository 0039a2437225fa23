"""The base of all agents: one section, one judgement. The house does the rest.

An agent sees the case and its tools, and returns its finding. Loading, committing, retrying and
reporting are not its business (`activities.agent_steps`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, TypeVar

from activities.branches import OwnRefunds, PaymentsAsBefore
from activities.steps import CaseRef
from cases.ids import MAIN
from cases.model_ports import LanguageModel
from cases.policy import RefundPolicy
from cases.ports import Accounts, Dossier, Payments
from cases.sections import Section
from cases.state import CaseState, CaseStatus, StepUpdate

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Tools:
    """What agents may use: read-only views of the outside, a model, and the policy."""

    model: LanguageModel
    payments: Payments
    accounts: Accounts
    policy: RefundPolicy
    #: What branches need: without it none can run.
    own_refunds: OwnRefunds | None = None

    def for_case(self, ref: CaseRef) -> "Tools":
        """The same tools; on a branch the provider's records are as before the case paid back."""
        return self if ref.branch == MAIN else self._as_before(ref.case_id)

    def _as_before(self, case_id: str) -> "Tools":
        if self.own_refunds is None:
            raise LookupError("no ledger tells a branch which refunds are its own case's")
        return replace(self, payments=PaymentsAsBefore(self.payments, self.own_refunds, case_id))


@dataclass(frozen=True)
class Finding(Generic[S]):
    """What an agent concluded: its section, and what an auditor should see beside it."""

    section: S
    reason: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict[str, str])
    #: Where the case stands from now on, if that changes.
    status: CaseStatus | None = None
    #: Working notes that only this agent will read again, such as a model's reasoning.
    scratch: str = ""
    #: A step of the house that this finding sets off, committed together with it.
    sets_off: StepUpdate | None = None


@dataclass(frozen=True)
class Assignment:
    """What an agent is given: the case as it is now, and why it is called."""

    dossier: Dossier
    #: Counts the customer's messages: the second round is the first follow-up's.
    round: int = 1
    cancelled: bool = False
    #: The agent's own notes of an earlier run; cut to their start once the policy has decided.
    scratch: str = ""

    @property
    def case(self) -> CaseState:
        return self.dossier.state


class Agent(ABC, Generic[S]):
    """One agent. A subclass names its section, what it does, and when it is needed."""

    #: The section it owns; the agent's name is its owner.
    section: ClassVar[type[Section]]
    #: What it does, in a few words for the Web UI.
    summary: ClassVar[str]
    #: The need in the customer's request that calls it; None for agents that every case has.
    topic: ClassVar[str | None] = None
    #: What a message with that need is about, in words for a language model.
    about: ClassVar[str] = ""
    #: Decides from the durable record instead of the hot copy.
    reads_durable: ClassVar[bool] = False

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    @classmethod
    def name(cls) -> str:
        return cls.section.owner

    @classmethod
    def activity_name(cls) -> str:
        """The activity type that people see in the Web UI: "billing_agent"."""
        return f"{cls.name()}_agent"

    @abstractmethod
    async def process(self, assignment: Assignment) -> Finding[S]:
        """Judge. Raise for what a retry may mend; a conclusion is a finding, also a sad one."""

    def failed(self, assignment: Assignment, error: str) -> Section:
        """What stands in the section when every attempt failed."""
        del assignment
        return self.section(status="failed", error=error)
