"""What a promotion does outside, and what the main line holds afterwards: only what is true."""

from collections.abc import Sequence
from dataclasses import dataclass

from cases.accounts import AccountSection
from cases.approvals import Approval, ApprovalSection
from cases.correction_plan import plan_lines
from cases.effects import (
    EffectIntent,
    EffectKind,
    EffectState,
    RefundItem,
    RefundSection,
    ResolutionSection,
)
from cases.ids import MAIN
from cases.promotion import Action, Known, PlanLine, PromotionFacts, describe_intent
from cases.sections import Section
from cases.state import CaseState, CaseStatus

#: Sections of the branch that say what was done, or decided by people: they are made anew.
_MADE_ANEW = frozenset(
    {RefundSection.name, ResolutionSection.name, AccountSection.name, ApprovalSection.name}
)


def intent_of(line: PlanLine, facts: PromotionFacts, approval: Approval | None) -> EffectIntent:
    """What a line of the plan has to be done on the main line."""
    if not line.kind.moves_money:
        wanted = next(one for one in facts.wanted if one.intent.kind is line.kind)
        return EffectIntent(
            key=line.key,
            kind=line.kind,
            case_id=facts.case_id,
            branch=MAIN,
            customer_id=facts.customer_id,
            content=wanted.intent.content,
            promotes=facts.branch,
        )
    return EffectIntent(
        key=line.key,
        kind=EffectKind.REFUND if line.action is Action.ADD else EffectKind.CORRECTION,
        case_id=facts.case_id,
        branch=MAIN,
        customer_id=facts.customer_id,
        amount=line.difference,
        charge_id=line.charge_id,
        duplicate_group=line.duplicate_group,
        approval_id=approval.approval_id if approval else None,
        approval_digest=approval.digest if approval else None,
        promotes=facts.branch,
    )


def contradicts_answer(facts: PromotionFacts) -> bool:
    """Whether the branch's answer would not be true by now: what it says of money must be paid."""
    on_its_way = any(
        one.state is EffectState.PENDING and one.intent.promotes == facts.branch
        for one in facts.done
    )
    return on_its_way or bool(facts.unsure) or any(_owed(line) for line in plan_lines(facts))


@dataclass(frozen=True)
class Ending:
    """How a promotion ends: what the main line is to hold, and what is left to people."""

    status: CaseStatus
    sections: tuple[Section, ...]
    #: Sections of the branch that do not become the main line's.
    left_out: tuple[str, ...]
    to_recover: str
    incomplete: str

    @property
    def reason(self) -> str:
        """For the audit."""
        return "; ".join(filter(None, [self.to_recover, self.incomplete])) or "done as planned"


def ending_of(
    facts: PromotionFacts, branch: CaseState, main: CaseState, approval: Approval | None
) -> Ending:
    """The end of a promotion, by what the ledger holds after it."""
    lines = plan_lines(facts)
    incomplete = [_left_undone(line) for line in lines if line.leaves]
    incomplete += [f"{describe_intent(one.intent)}: {one.state}" for one in facts.unsure]
    recover = [
        f"{line.done} was paid for {line.charge_id}, and {line.wanted or 'nothing'} is wanted"
        for line in lines
        if line.recovers
    ]
    parked = bool(incomplete or recover)
    status = CaseStatus.MANUAL_REVIEW if parked else facts.status
    sections = [
        _refund(facts, lines),
        _resolution(facts, branch, status),
        _account(facts, branch),
        _approval(approval),
    ]
    made = tuple(section for section in sections if section)
    return Ending(
        status=status,
        sections=tuple(one for one in made if main.sections.get(one.name) != one),
        left_out=tuple(sorted(_MADE_ANEW)),
        to_recover="; ".join(recover),
        incomplete="; ".join(incomplete),
    )


def _owed(line: PlanLine) -> bool:
    return line.pays or line.recovers


def _left_undone(line: PlanLine) -> str:
    what = line.kind.replace("_", " ")
    money = f" of {line.difference} for {line.charge_id}" if line.pays else ""
    return f"{what}{money} was not {'made' if line.pays else 'sent'}"


def _refund(facts: PromotionFacts, lines: Sequence[PlanLine]) -> RefundSection | None:
    """What was really paid, and what was to be and was not."""
    money = [one for one in facts.done if one.intent.kind.moves_money]
    shown = [one for one in money if not one.came_to_nothing]
    items = [_item(one) for one in shown]
    for line in lines:
        if line.pays and line.difference and line.charge_id:
            tried = [one for one in money if one.group == line.duplicate_group and one not in shown]
            state = tried[-1].state if tried else EffectState.REFUSED
            code = tried[-1].code if tried else None
            items.append(
                RefundItem(charge_id=line.charge_id, amount=line.difference, state=state, code=code)
            )
    return RefundSection.of(tuple(items)) if items else None


def _item(one: Known) -> RefundItem:
    intent = one.intent
    if intent.amount is None or intent.charge_id is None:
        raise LookupError(f"the ledger has a refund {intent.key} without an amount")
    return RefundItem(
        charge_id=intent.charge_id,
        amount=intent.amount,
        state=one.state,
        receipt=one.receipt,
        code=one.code,
    )


def _resolution(
    facts: PromotionFacts, branch: CaseState, status: CaseStatus
) -> ResolutionSection | None:
    """The answer that the customer has, which may be another than the branch's."""
    section = branch.get(ResolutionSection)
    sent = _done(facts, EffectKind.ANSWER)
    if section is None:
        return None
    return section.model_copy(
        update={
            "answer": sent.intent.content if sent else section.answer,
            "sent": sent is not None,
            "closes_as": status,
        }
    )


def _account(facts: PromotionFacts, branch: CaseState) -> AccountSection | None:
    section = branch.get(AccountSection)
    if section is None:
        return None
    revoked = _done(facts, EffectKind.RESET_REVOKED) is not None
    sent = _done(facts, EffectKind.RESET_MAIL) is not None and not revoked
    if section.reset_sent == sent:
        return section
    status = "reset_revoked" if revoked else "reset_sent" if sent else "reset_not_sent"
    return section.model_copy(update={"reset_sent": sent, "status": status})


def _approval(approval: Approval | None) -> ApprovalSection | None:
    """A branch assumes its approvals: on the main line stands what a person decided."""
    if approval is None:
        return None
    return ApprovalSection(
        approval_id=approval.approval_id,
        state=approval.state,
        amount=approval.amount,
        digest=approval.digest,
        decided_by=approval.approved_by,
        note=approval.note,
    )


def _done(facts: PromotionFacts, kind: EffectKind) -> Known | None:
    return next((one for one in facts.done if one.stands and one.intent.kind is kind), None)
