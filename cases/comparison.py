"""The provider's refunds compared with the ledger's: what differs, and how."""

from datetime import datetime, timedelta
from enum import StrEnum

from cases.effects import EffectIntent, EffectState, ProviderRefund
from cases.money import Money
from cases.records import Record

#: What was claimed no longer ago may be on its way just now.
IN_FLIGHT = timedelta(minutes=2)

_STANDING = frozenset({EffectState.SUCCEEDED, EffectState.PENDING})
_OPEN = frozenset({EffectState.SENDING, EffectState.PENDING, EffectState.UNKNOWN})


class LedgerEntry(Record):
    """An effect as the ledger has it: what was claimed, and what is known to have come of it."""

    intent: EffectIntent
    state: EffectState
    receipt: str | None = None
    claimed_at: datetime
    #: Since the claim, by the database's clock.
    age: timedelta

    @property
    def key(self) -> str:
        return self.intent.key

    @property
    def case(self) -> tuple[str, str]:
        return self.intent.case_id, self.intent.branch

    @property
    def stands(self) -> bool:
        """Whether money is said to have gone back, or to be on its way."""
        return self.state in _STANDING

    @property
    def open(self) -> bool:
        """Whether the outside may still change it."""
        return self.state in _OPEN

    def takes(self, state: EffectState) -> bool:
        """Whether the ledger can still learn that it came to this: what failed is over."""
        return self.open or (self.state, state) == (EffectState.SUCCEEDED, EffectState.FAILED)


class DifferenceKind(StrEnum):
    """How the provider's refunds and the ledger can differ."""

    #: The provider has a refund under a key of ours that the ledger has never claimed.
    MISSING_HERE = "missing_here"
    #: The provider has it, and the ledger does not know what became of it.
    UNSETTLED_HERE = "unsettled_here"
    #: The ledger says that it was made, and the provider has none.
    MISSING_THERE = "missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    CHARGE_DIFFERS = "charge_differs"
    STATE_DIFFERS = "state_differs"
    #: Two refunds that both stand carry one key.
    PAID_TWICE = "paid_twice"
    #: A refund without a key of ours: somebody else's, and no fault.
    UNKNOWN_ORIGIN = "unknown_origin"


class Remedy(StrEnum):
    """What becomes of a difference."""

    #: The ledger has taken over what the provider says.
    SETTLED = "settled"
    #: It is a person's task.
    HANDED_OVER = "handed_over"
    #: A person has finished that task, and the difference is what they left.
    ACCEPTED = "accepted"
    #: It is only said.
    NOTED = "noted"


class Side(Record):
    """What one of the two sides says of a refund."""

    amount: Money | None
    charge_id: str | None
    state: EffectState
    receipt: str | None


class Difference(Record):
    """One difference between the provider and the ledger; `subject` is our key, or a receipt."""

    kind: DifferenceKind
    subject: str
    case_id: str | None = None
    branch: str | None = None
    ours: Side | None = None
    theirs: Side | None = None
    #: Of the other refund that was made under the same key.
    other_receipt: str | None = None
    remedy: Remedy = Remedy.HANDED_OVER

    @property
    def task_subject(self) -> str:
        """What the person's task is about: two refunds too many are two tasks."""
        second = f":{self.theirs.receipt}" if self.other_receipt and self.theirs else ""
        return f"{self.kind}:{self.subject}{second}"


class Comparison:
    """Compares refund by refund, the provider's first. It holds their keys, and nothing else."""

    def __init__(self, in_flight: timedelta = IN_FLIGHT) -> None:
        self._in_flight = in_flight
        #: By key: the receipt of the first refund that stands, or None.
        self._seen: dict[str, str | None] = {}

    def of_theirs(self, refund: ProviderRefund, entry: LedgerEntry | None) -> list[Difference]:
        """How a refund of the provider differs from the ledger's entry of the same key."""
        theirs = _side(refund)
        if refund.key is None:
            return [difference(DifferenceKind.UNKNOWN_ORIGIN, refund.receipt, None, theirs)]
        first = self._seen.get(refund.key)
        stands = refund.state in _STANDING
        self._seen[refund.key] = first or (refund.receipt if stands else None)
        if first and stands:
            twice = difference(DifferenceKind.PAID_TWICE, refund.key, entry, theirs, first)
            return [twice] if first != refund.receipt else []
        if entry is None:
            return [difference(DifferenceKind.MISSING_HERE, refund.key, None, theirs)]
        state = differing_state(entry, refund.state, refund.receipt, self._in_flight)
        kinds = [*_differing_facts(entry.intent, refund), *([state] if state else [])]
        return [difference(kind, refund.key, entry, theirs) for kind in kinds]

    def lacks(self, entry: LedgerEntry) -> bool:
        """Whether the provider's list had nothing of what the ledger says was made."""
        return entry.stands and entry.key not in self._seen


def differing_state(
    entry: LedgerEntry, state: EffectState, receipt: str | None, in_flight: timedelta = IN_FLIGHT
) -> DifferenceKind | None:
    """How a refund's state at the provider differs from the ledger's, or None."""
    stands = state in _STANDING
    if entry.receipt not in (None, receipt) and not stands:
        return None  # it came to nothing, and another one was made under the key
    match entry.state:
        case EffectState.SENDING if entry.age < in_flight:
            return None
        case EffectState.SENDING | EffectState.UNKNOWN:
            return DifferenceKind.UNSETTLED_HERE
        case EffectState.SUCCEEDED | EffectState.PENDING:
            return None if state is entry.state else DifferenceKind.STATE_DIFFERS
        case _:
            return DifferenceKind.STATE_DIFFERS if stands else None


def _differing_facts(intent: EffectIntent, refund: ProviderRefund) -> list[DifferenceKind]:
    found: list[DifferenceKind] = []
    if intent.charge_id != refund.charge_id:
        found.append(DifferenceKind.CHARGE_DIFFERS)
    if intent.amount and intent.amount.currency != refund.amount.currency:
        found.append(DifferenceKind.CURRENCY_DIFFERS)
    elif intent.amount != refund.amount:
        found.append(DifferenceKind.AMOUNT_DIFFERS)
    return found


def difference(
    kind: DifferenceKind,
    key: str,
    entry: LedgerEntry | None,
    theirs: Side | None,
    other_receipt: str | None = None,
) -> Difference:
    """The difference between an entry and a refund, each None where there is none."""
    ours = entry and Side(
        amount=entry.intent.amount,
        charge_id=entry.intent.charge_id,
        state=entry.state,
        receipt=entry.receipt,
    )
    return Difference(
        kind=kind,
        subject=key,
        case_id=entry and entry.intent.case_id,
        branch=entry and entry.intent.branch,
        ours=ours,
        theirs=theirs,
        other_receipt=other_receipt,
    )


def sentence(differs: Difference) -> str:
    """The difference for the person whose task it becomes: both sides, and what to do."""
    second = f" as well as {differs.other_receipt}" if differs.other_receipt else ""
    return (
        f"Under the key {differs.subject} the provider has {_told(differs.theirs)}{second}; "
        f"the ledger has {_told(differs.ours)}. {_TO_DO[differs.kind]}"
    )


def _told(side: Side | None) -> str:
    if side is None:
        return "nothing"
    amount = f"{side.amount} " if side.amount else ""
    return f"{amount}for {side.charge_id} ({side.receipt or 'no receipt'}): {side.state}"


_LOOK_WHICH = "Find out which of the two is right, and correct the other."
_TO_DO = {
    DifferenceKind.MISSING_HERE: "Find out who made it with our key: another installation on the "
    "same account, a database that was put back to an earlier time, or an intruder.",
    DifferenceKind.UNSETTLED_HERE: "It is settled by itself.",
    DifferenceKind.MISSING_THERE: "The customer was told of a refund that is not there: find out "
    "whether it was ever paid.",
    DifferenceKind.AMOUNT_DIFFERS: _LOOK_WHICH,
    DifferenceKind.CURRENCY_DIFFERS: _LOOK_WHICH,
    DifferenceKind.CHARGE_DIFFERS: _LOOK_WHICH,
    DifferenceKind.STATE_DIFFERS: _LOOK_WHICH,
    DifferenceKind.PAID_TWICE: "The customer got it twice: nothing is charged back by itself.",
    DifferenceKind.UNKNOWN_ORIGIN: "Somebody else made it.",
}


def _side(refund: ProviderRefund) -> Side:
    return Side(
        amount=refund.amount,
        charge_id=refund.charge_id,
        state=refund.state,
        receipt=refund.receipt,
    )
