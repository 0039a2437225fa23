"""The one answer to the customer: built from facts on record, and checked against them."""

import re
from datetime import date

from cases.accounts import AccountSection
from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import BillingSection
from cases.effects import EffectState, RefundSection
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.records import Record
from cases.state import CaseState, CaseStatus

#: An answer's largest length in characters; a longer one is not sent.
MAX_ANSWER = 4000

#: "49.99 USD" or "2026-11-01", as a whole: a known amount inside a larger number is another one.
_AMOUNT_OR_DAY = re.compile(
    r"(?<![\w.,-])(?:[0-9]+(?:\.[0-9]+)? [A-Z]{3}|[0-9]{4}-[0-9]{2}-[0-9]{2})(?![\w-])"
)
#: Anything that a mail program may make a link or an image of.
_LINK = re.compile(r"//|www\.|\]\(|<[a-z/!]", re.IGNORECASE)


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


def template(facts: AnswerFacts) -> str:
    """The answer in plain sentences; what a model's answer falls back to."""
    paragraphs = [
        "Hello,",
        *(
            f"We found that you were charged twice and have refunded {amount} to the payment "
            "method you used. Banks take a few days to show it."
            for amount in facts.refunded
        ),
        *(
            f"We found that you were charged twice and have requested a refund of {amount}. "
            "It is not complete yet; your bank will confirm it."
            for amount in facts.refund_requested
        ),
        *(
            f"The refund of {amount} is already on record, made on {day.isoformat()}."
            for amount, day in facts.past_refunds
        ),
        *_outlook(facts),
    ]
    if len(paragraphs) == 1:
        paragraphs.append("We looked into your request, and nothing is left to be done.")
    return "\n\n".join([*paragraphs, "Kind regards,\nYour support team"])


def _outlook(facts: AnswerFacts) -> list[str]:
    lines: list[str] = []
    if facts.nothing_found:
        lines.append("We looked through your charges and found no duplicate: no issues found.")
    if facts.reset_sent:
        lines.append(
            "We have sent an email with a link to reset your password to the address on your "
            "account, so that you can log in again."
        )
    if facts.reset_sent_before:
        lines.append(
            "We have sent you an email with a link to reset your password within the last day: "
            "please use that one. If it has not reached you, write to us again."
        )
    if facts.denied:
        lines.append("A colleague reviewed the refund that you asked for and declined it.")
    if facts.waits_for_person:
        lines.append("A colleague is looking into your request and will write to you.")
    if facts.closes_as is CaseStatus.CANCELLED:
        lines.append("Your request was cancelled. Nothing more will happen on it.")
    return lines


def amounts_match(text: str, facts: AnswerFacts) -> bool:
    """Whether the text's numbers are amounts and dates of the facts, with every paid amount."""
    amounts = (
        *facts.refunded,
        *facts.refund_requested,
        *(money for money, _ in facts.past_refunds),
    )
    days = [day.isoformat() for _, day in facts.past_refunds]
    known = {*map(str, amounts), *days}
    said = set(_AMOUNT_OR_DAY.findall(text))
    paid = {str(money) for money in (*facts.refunded, *facts.refund_requested)}
    rest = _AMOUNT_OR_DAY.sub("", text)
    return paid <= said <= known and not any(sign.isnumeric() for sign in rest)


def checked(text: str, facts: AnswerFacts) -> str:
    """The text if it may go out, else the template: no number that is not on record, no link."""
    fits = text.strip() and len(text) <= MAX_ANSWER and not _LINK.search(text)
    return text if fits and amounts_match(text, facts) else template(facts)
