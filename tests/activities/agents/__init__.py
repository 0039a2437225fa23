"""Tests of the agents, on fakes of the ports."""

from activities.agents.base import Assignment, Tools
from cases.model_ports import LanguageModel
from cases.policy import RefundPolicy
from cases.ports import Dossier
from cases.sections import Section
from tests.fakes import FakeAccounts, FakeModel, FakePayments
from tests.samples import case

POLICY = RefundPolicy(version=3, limit_days=30, limits={"USD": 50000})


def tools(
    *,
    model: LanguageModel | None = None,
    payments: FakePayments | None = None,
    accounts: FakeAccounts | None = None,
) -> Tools:
    """Tools of a customer who is known."""
    return Tools(
        model=model or FakeModel(),
        payments=payments or FakePayments(),
        accounts=accounts or FakeAccounts.of("cus_1"),
        policy=POLICY,
    )


def assigned(
    *sections: Section,
    number: int = 1,
    cancelled: bool = False,
    lately: dict[str, int] | None = None,
) -> Assignment:
    """A case with those sections, given to an agent."""
    dossier = Dossier(state=case(*sections), refunded_lately=lately or {})
    return Assignment(dossier=dossier, round=number, cancelled=cancelled)
