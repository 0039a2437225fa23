"""The one answer to the customer: our own sentences, which say the facts on record.

A model may pick the words that it opens with. It writes none: so no amount, no promise and no link
of its making can reach a customer.
"""

from datetime import date

from cases.accounts import AccountSection
from cases.answer_texts import FALLBACK, TEXTS, AnswerTexts, Opening
from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection
from cases.effects import EffectState, RefundSection
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.records import Record
from cases.state import CaseState, CaseStatus


class AnswerFacts(Record):
    """What the answer may say, and nothing else."""

    closes_as: CaseStatus
    refunded: tuple[Money, ...] = ()
    refund_requested: tuple[Money, ...] = ()
    past_refunds: tuple[tuple[Money, date], ...] = ()
    nothing_found: bool = False
    reset_sent: bool = False
    #: By an earlier case: its link still works.
    reset_sent_before: bool = False
    denied: bool = False

    @property
    def waits_for_person(self) -> bool:
        return self.closes_as is CaseStatus.MANUAL_REVIEW


def facts_of(state: CaseState, *, cancelled: bool = False) -> AnswerFacts:
    """The facts that stand in the case's sections."""
    status = CaseStatus.CANCELLED if cancelled else closing_status(state)
    if _must_reveal_nothing(state):
        return AnswerFacts(closes_as=status)
    policy = state.get(PolicySection)
    account = state.get(AccountSection)
    approval = state.get(ApprovalSection)
    return AnswerFacts(
        closes_as=status,
        refunded=_paid(state, EffectState.SUCCEEDED, EffectState.SIMULATED),
        refund_requested=_paid(state, EffectState.PENDING),
        past_refunds=_past(state),
        nothing_found=policy is not None and policy.rule == "nothing_found",
        reset_sent=account is not None and account.reset_sent,
        reset_sent_before=account is not None and account.issue == "reset_already_sent",
        denied=approval is not None and approval.state is ApprovalState.DENIED,
    )


def _must_reveal_nothing(state: CaseState) -> bool:
    """Who may be someone else hears nothing of charges, whatever was decided."""
    account = state.get(AccountSection)
    if account and account.issue == "wrong_mail":
        return True
    looked = (account, state.get(BillingSection))
    unknown = any(section and not section.customer_known for section in looked)
    return unknown or any(section and section.locked for section in looked)


def closing_status(state: CaseState) -> CaseStatus:
    """How the case ends, by what its sections say."""
    policy = state.get(PolicySection)
    approval = state.get(ApprovalSection)
    refund = state.get(RefundSection)
    account = state.get(AccountSection)
    if policy is None or (account and account.failed):
        return CaseStatus.MANUAL_REVIEW
    if account and account.reset_needed and not account.reset_sent:
        return CaseStatus.MANUAL_REVIEW
    if refund and not (refund.state.done or refund.state is EffectState.PENDING):
        return CaseStatus.MANUAL_REVIEW
    if policy.approval_required and not refund:
        denied = approval is not None and approval.state is ApprovalState.DENIED
        return CaseStatus.REJECTED if denied else CaseStatus.MANUAL_REVIEW
    if policy.decision is Decision.NEEDS_HUMAN and not policy.approval_required:
        return CaseStatus.MANUAL_REVIEW
    tried = {item.charge_id for item in refund.items} if refund else set[str]()
    all_tried = all(order.charge_id in tried for order in policy.orders)
    return CaseStatus.ANSWERED if all_tried else CaseStatus.MANUAL_REVIEW


def _paid(state: CaseState, *effect_states: EffectState) -> tuple[Money, ...]:
    refund = state.get(RefundSection)
    items = refund.items if refund else ()
    return tuple(item.amount for item in items if item.state in effect_states)


def _past(state: CaseState) -> tuple[tuple[Money, date], ...]:
    billing = state.get(BillingSection)
    if billing is None or billing.doubts:
        return ()
    return tuple((past.amount, past.refunded_at.date()) for past in billing.past_refunds)


def template(facts: AnswerFacts, language: str = FALLBACK, opening: Opening = Opening.NONE) -> str:
    """The answer: an opening, and each fact in its own sentence.

    It is in English where we have no sentences in the language.
    """
    texts = TEXTS.get(language, TEXTS[FALLBACK])
    body = _sentences(facts, texts) or [texts.nothing_left]
    parts = [texts.greeting, texts.openings.get(opening, ""), *body, texts.closing]
    return "\n\n".join(filter(None, parts))


def _sentences(facts: AnswerFacts, texts: AnswerTexts) -> list[str]:
    """One paragraph for each fact."""
    said = {
        texts.nothing_found: facts.nothing_found,
        texts.reset_sent: facts.reset_sent,
        texts.reset_sent_before: facts.reset_sent_before,
        texts.denied: facts.denied,
        texts.waits_for_person: facts.waits_for_person,
        texts.cancelled: facts.closes_as is CaseStatus.CANCELLED,
    }
    return [
        *(texts.refunded.format(amount=amount) for amount in facts.refunded),
        *(texts.refund_requested.format(amount=amount) for amount in facts.refund_requested),
        *(
            texts.past_refund.format(amount=amount, day=day.isoformat())
            for amount, day in facts.past_refunds
        ),
        *(sentence for sentence, true in said.items() if true),
    ]
