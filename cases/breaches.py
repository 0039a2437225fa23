"""Whether a case breaks an invariant, judged from what was read: nothing is asked or changed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cases.approvals import Approval
from cases.billing import ENDED_UNPAID, Charge, RefundRecord
from cases.comparison import (
    Comparison,
    Difference,
    DifferenceKind,
    LedgerEntry,
    difference,
    sentence,
)
from cases.effects import EffectIntent, EffectState, ProviderRefund
from cases.ids import MAIN
from cases.invariants import Finding, Invariant
from cases.policy import PolicySection
from cases.state import CaseState, CaseStatus

#: An amount as answers write it, next to whatever script: "49.99 USD".
_AMOUNT = re.compile(r"(?<![0-9A-Za-z.,-])([0-9]+(?:\.[0-9]+)? [A-Z]{3})(?![0-9A-Za-z-])")


class SentMail(NamedTuple):
    """A mail as the mail system has it."""

    case_id: str
    kind: str
    key: str
    body: str


class BooksProblem(NamedTuple):
    """How the provider's books contradict ours."""

    invariant: Invariant
    problem: str
    #: The cases whose refunds it is about; none where the ledger knows of no such refund.
    case_ids: tuple[str, ...]
    #: The subject of the task that a person finishes who leaves it as it is, if there is one.
    task: str | None = None
    #: The refund that the provider's list lacks: it must be looked up before this is said.
    missing: EffectIntent | None = None

    def finding(self, case_id: str) -> Finding:
        """The finding about one of the cases."""
        return Finding(invariant=self.invariant, case_id=case_id, branch=MAIN, problem=self.problem)


def books_problems(
    charges: Sequence[Charge], entries: Mapping[str, LedgerEntry]
) -> Iterator[BooksProblem]:
    """How one customer's charges at the provider contradict the ledger's refunds, by their keys.

    What the ledger will still learn is no contradiction: the reconciliation settles it.
    """
    for charge in charges:
        if _is_overpaid(charge):
            intents = [entry.intent for entry in entries.values()]
            about = [one.case_id for one in intents if one.charge_id == charge.charge_id]
            problem = f"more of {charge.charge_id} was paid back than its {charge.amount}"
            yield BooksProblem(Invariant.ONE_REFUND, problem, tuple(dict.fromkeys(about)))
    for differs in _differences(charges, entries):
        twice = differs.kind is DifferenceKind.PAID_TWICE
        missing = differs.kind is DifferenceKind.MISSING_THERE
        yield BooksProblem(
            Invariant.ONE_REFUND if twice else Invariant.ON_RECORD,
            sentence(differs),
            (differs.case_id,) if differs.case_id else (),
            differs.task_subject,
            entries[differs.subject].intent if missing else None,
        )


def _is_overpaid(charge: Charge) -> bool:
    """More than was captured, and with one of our refunds among it."""
    own = [refund for refund in charge.refunds if refund.amount.currency == charge.amount.currency]
    paid = [refund for refund in own if refund.stands]
    too_much = sum(refund.amount.amount_minor for refund in paid) > charge.amount.amount_minor
    return too_much and any(refund.key for refund in paid)


def _differences(
    charges: Sequence[Charge], entries: Mapping[str, LedgerEntry]
) -> Iterator[Difference]:
    comparison = Comparison()
    for charge in charges:
        for refund in charge.refunds:
            entry, listed = entries.get(refund.key or ""), _listed(charge, refund)
            for one in comparison.of_theirs(listed, entry):
                if not _still_learnt(one, entry, listed):
                    yield one
    for entry in entries.values():
        if comparison.lacks(entry):
            yield difference(DifferenceKind.MISSING_THERE, entry.key, entry, None)


def _listed(charge: Charge, refund: RefundRecord) -> ProviderRefund:
    if refund.status in ENDED_UNPAID:
        state = EffectState.FAILED
    else:
        succeeded = refund.status == "succeeded"
        state = EffectState.SUCCEEDED if succeeded else EffectState.PENDING
    return ProviderRefund(
        receipt=refund.receipt or "",
        charge_id=charge.charge_id,
        amount=refund.amount,
        state=state,
        created_at=refund.created_at,
        key=refund.key,
    )


def _still_learnt(differs: Difference, entry: LedgerEntry | None, listed: ProviderRefund) -> bool:
    if differs.kind is DifferenceKind.UNKNOWN_ORIGIN:
        return True
    states = (DifferenceKind.UNSETTLED_HERE, DifferenceKind.STATE_DIFFERS)
    return differs.kind in states and entry is not None and entry.takes(listed.state)


def decision_problems(
    intent: EffectIntent, policy: PolicySection | None, approval: Approval | None
) -> Iterator[str]:
    """Why a refund was not decided as it should be, by the policy's section as it stood then."""
    what = f"{intent.amount} of {intent.charge_id}"
    if approval and approval.digest != intent.approval_digest:
        yield f"{what}: the approval {approval.approval_id} is bound to another digest"
    ordered = [] if policy is None else [(o.charge_id, o.amount) for o in policy.orders]
    if approval:
        asked = [(order.charge_id, order.amount) for order in approval.orders]
        if (intent.charge_id, intent.amount) not in asked:
            yield f"{what}: the approval {approval.approval_id} is about something else"
    if intent.promotes:
        return  # a person decided it, of a branch: the ledger takes it by their approval alone
    if policy is None or (intent.charge_id, intent.amount) not in ordered:
        yield f"{what}: no rule of the policy orders it"
    elif policy.approval_required and approval is None:
        yield f"{what}: the rule {policy.rule} wants a person's approval, and it names none"
    if approval is None and (intent.amount is None or not _within_limit(intent)):
        yield f"{what}: it is above the limit without a person"


def _within_limit(intent: EffectIntent) -> bool:
    amount, limit = intent.amount, intent.limit_minor
    return amount is not None and limit is not None and amount.amount_minor <= limit


def copy_problem(hot: CaseState, durable: CaseState) -> str | None:
    """How a hot copy contradicts the record, as that is at the copy's version or before it."""
    if hot.version > durable.version:
        return f"the hot copy is at version {hot.version}, the record at {durable.version}"
    if hot == durable:
        return None
    names = CaseState.model_fields
    fields = [name for name in names if getattr(hot, name) != getattr(durable, name)]
    return f"the hot copy differs at version {hot.version}: {', '.join(fields)}"


def answer_problems(
    status: CaseStatus,
    entries: Sequence[LedgerEntry],
    sent: Sequence[SentMail],
    charges: Sequence[Charge],
) -> Iterator[str]:
    """What is wrong with the answer of a case, by its ledger, its mails and its charges.

    Each sum that it was paid must be in it, and no sum that is on nobody's books.
    """
    answers = [mail for mail in sent if mail.kind == "answer"]
    if len(answers) > 1:
        yield f"the customer got {len(answers)} answers"
    texts = {entry.key: entry.intent for entry in entries if entry.intent.kind == "answer"}
    for mail in answers:
        intent = texts.get(mail.key)
        if intent and mail.body != intent.content:
            yield "the customer got another answer than the one on record"
        if intent is None or intent.promotes is None:
            yield from _amount_problems(status, mail, entries, charges)


def _amount_problems(
    status: CaseStatus,
    mail: SentMail,
    entries: Sequence[LedgerEntry],
    charges: Sequence[Charge],
) -> Iterator[str]:
    money = [e for e in entries if e.intent.kind.moves_money and e.intent.promotes is None]
    said = set(_AMOUNT.findall(mail.body))
    paid = {str(e.intent.amount) for e in money if e.stands}
    known = {str(e.intent.amount) for e in money}
    known |= {str(refund.amount) for charge in charges for refund in charge.refunds}
    for amount in sorted(said - known):
        yield f"its answer speaks of {amount}, which is on nobody's books"
    # What was found out after the answer is a person's to tell: then it closed as manual_review.
    if status is CaseStatus.ANSWERED:
        for amount in sorted(paid - said):
            yield f"its answer does not speak of the {amount} that was paid"


def mail_problems(entries: Sequence[LedgerEntry], sent: Sequence[SentMail]) -> Iterator[str]:
    """What the ledger and the mail system do not agree on, of one case."""
    mails = {entry.key: entry for entry in entries if entry.intent.kind in _MAILED}
    keys = {mail.key for mail in sent}
    for key in sorted(keys - set(mails)):
        yield f"a mail went out under the key {key}, which the ledger has never claimed"
    for key, entry in sorted(mails.items()):
        if entry.state is EffectState.SUCCEEDED and key not in keys:
            what = entry.intent.kind.replace("_", " ")
            yield f"the ledger has the {what} as sent, and no mail is there"


_MAILED = ("answer", "reset_mail", "notice")
