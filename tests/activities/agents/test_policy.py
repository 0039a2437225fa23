"""The policy agent decides, and asks a person, keeps asking, or takes the question back."""

import pytest

from activities.agents.base import Finding
from activities.agents.policy import PolicyAgent
from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection
from cases.effects import EffectState, RefundItem, RefundSection
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.state import CaseStatus
from cases.understanding import Reason
from tests.activities.agents import POLICY, assigned, tools
from tests.fakes import FakeModel
from tests.samples import duplicates, needs, order, usd

LARGE = duplicates(order(amount=usd("612.00")))


async def judge(
    *sections: Section, number: int = 1, lately: dict[str, int] | None = None
) -> Finding[PolicySection]:
    assignment = assigned(*sections, number=number, lately=lately)
    return await PolicyAgent(tools()).process(assignment)


async def asked(*sections: Section) -> ApprovalSection:
    """The approval section that a first round over those sections leaves."""
    finding = await judge(*sections)
    assert finding.sets_off
    section = finding.sets_off.sections["approval"]
    assert isinstance(section, ApprovalSection)
    return section


async def test_a_small_duplicate_is_settled_without_asking() -> None:
    finding = await judge(needs("billing"), duplicates(order()))

    assert finding.section.decision is Decision.REFUND
    assert finding.status is CaseStatus.SETTLING
    assert finding.sets_off is None
    assert finding.provenance == {"rule": "proven_duplicate", "policy": str(POLICY.version)}


async def test_what_the_customer_got_lately_comes_from_the_dossier() -> None:
    finding = await judge(needs("billing"), duplicates(order()), lately={"USD": 45002})

    assert finding.section.rule == "above_limit"


async def test_above_the_limit_a_person_is_asked_in_the_same_commit() -> None:
    finding = await judge(needs("billing"), LARGE)
    step = finding.sets_off

    assert finding.status is CaseStatus.AWAITING_APPROVAL
    assert step
    assert step.step == "approval_request:1"
    assert step.approval_request
    assert step.approval_request.orders == LARGE.orders
    assert step.approval_request.amount == usd("612.00")
    assert step.approval_request.policy_version == POLICY.version
    assert finding.section.approval_id == step.approval_request.approval_id
    assert step.sections["approval"] == ApprovalSection(
        approval_id=step.approval_request.approval_id,
        state=ApprovalState.PENDING,
        amount=usd("612.00"),
        digest=step.approval_request.digest,
    )
    assert not step.withdraws_approval
    step.check_ownership()


async def test_while_nothing_changes_the_same_request_goes_on_waiting() -> None:
    before = await asked(needs("billing"), LARGE)
    finding = await judge(needs("account", "billing"), LARGE, before, number=2)

    assert finding.section.approval_id == before.approval_id
    assert finding.sets_off is None
    assert finding.status is CaseStatus.AWAITING_APPROVAL


@pytest.mark.parametrize(
    "changed",
    [
        duplicates(order(amount=usd("613.00"))),
        duplicates(order("ch_3", amount=usd("612.00"))),
        LARGE.model_copy(update={"charges_seen": 9}),
    ],
)
async def test_other_findings_make_another_request(changed: BillingSection) -> None:
    before = await asked(needs("billing"), LARGE)
    finding = await judge(needs("billing"), changed, before, number=2)

    assert finding.sets_off
    assert finding.sets_off.step == "approval_request:2"
    assert finding.sets_off.approval_request
    assert finding.sets_off.approval_request.approval_id != before.approval_id


async def test_a_request_that_nobody_needs_to_decide_any_more_is_withdrawn() -> None:
    before = await asked(needs("billing"), LARGE)
    fraud = needs("billing", reason=Reason.FRAUD)
    finding = await judge(fraud, LARGE, before, number=2)

    assert finding.section.rule == "reason_needs_person"
    assert finding.sets_off
    assert finding.sets_off.withdraws_approval
    assert finding.sets_off.approval_request is None
    void = finding.sets_off.sections["approval"]
    assert isinstance(void, ApprovalSection)
    assert void.state is ApprovalState.VOID
    assert finding.status is None


@pytest.mark.parametrize("state", [ApprovalState.DENIED, ApprovalState.EXPIRED, ApprovalState.VOID])
async def test_a_request_that_is_closed_is_left_as_it_is(state: ApprovalState) -> None:
    before = (await asked(needs("billing"), LARGE)).model_copy(update={"state": state})
    finding = await judge(needs("billing", reason=Reason.FRAUD), LARGE, before, number=2)

    assert finding.sets_off is None


async def test_what_was_approved_is_withdrawn_until_something_was_paid_by_it() -> None:
    approved = (await asked(needs("billing"), LARGE)).model_copy(
        update={"state": ApprovalState.APPROVED}
    )
    paid = RefundSection.of(
        (RefundItem(charge_id="ch_2", amount=usd("612.00"), state=EffectState.SUCCEEDED),)
    )
    facts = (needs("billing", reason=Reason.FRAUD), LARGE, approved)
    unused, used = await judge(*facts, number=2), await judge(*facts, paid, number=2)

    assert unused.sets_off
    assert unused.sets_off.withdraws_approval
    assert used.sets_off is None


async def test_no_model_is_asked_about_money() -> None:
    model = FakeModel()
    await PolicyAgent(tools(model=model)).process(assigned(needs("billing"), LARGE))

    assert model.read == []
    assert model.answered == []


def test_a_policy_that_could_not_be_applied_pays_nothing() -> None:
    section = PolicyAgent(tools()).failed(assigned(needs("billing"), LARGE), "no answer")

    assert section.decision is Decision.NEEDS_HUMAN
    assert section.rule == "policy_failed"
    assert section.orders == ()
    assert not section.approval_required
