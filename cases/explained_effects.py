"""What a case did outside, or its branch wants done: by whose order, within which limit, its end.

Each effect comes with the rows of the audit that bear it out, and its state as of the last of them.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from cases.approvals import ApprovalSection
from cases.ids import notice_key
from cases.money import Money
from cases.outbox import Occasion
from cases.records import Record
from cases.trail import DONE, CaseFacts, Event, LedgerRow, TaskRow, TrailRow, typed

#: The section that orders an effect of a kind.
_ORDERS = {
    "refund": "policy",
    "reset_mail": "account",
    "reset_revoked": "account",
    "answer": "resolution",
}


class Difference(Record):
    """What a branch wants and what was really done."""

    wanted: str | None
    done: str | None


class ExplainedEffect(Record):
    """Something that was done outside, or that a branch wants done: by whose order, and its end."""

    key: str
    kind: str
    #: "done", or how a branch's wish was answered: adopted, conflict or simulated.
    mode: str
    amount: Money | None
    charge_id: str | None
    #: SHA-256, in hex, of the text that was sent.
    text_digest: str | None
    state: str
    receipt: str | None
    code: str | None
    attempts: int
    claimed_at: datetime
    settled_at: datetime | None
    #: The checkpoints that ordered it, after which it was claimed, and of its outcome.
    ordered_by: str | None
    claimed_after: str | None
    recorded_in: str | None
    #: What it was claimed under: a limit without a person, or an approval.
    limit: Money | None
    limit_days: int | None
    approval_id: str | None
    approval_digest: str | None
    #: The branch whose promotion it belongs to: that one ordered it.
    promotes: str | None
    compensation: str | None
    tasks: tuple[str, ...]
    #: Of a branch: the effect of the main line that it was compared with, and how they differ.
    done_as: str | None
    differs: dict[str, Difference]
    history: tuple[Event, ...]
    gaps: tuple[str, ...] = Field(default=(), exclude=True)


def effects_of(facts: CaseFacts) -> tuple[ExplainedEffect, ...]:
    """The effects of the case, or those that its branch wants, in the order of their claims."""
    own = [row for row in facts.effects if row.branch == facts.case.branch]
    return tuple(
        _effect(facts, row, _claim(facts, row)) for row in own if row.claimed_at <= facts.newest
    )


_CLAIMS = ("effect_claimed", "effect_adopted", "effect_conflict", "effect_simulated")


def _claim(facts: CaseFacts, row: LedgerRow) -> TrailRow | None:
    """The row of the claim: of what a branch inherited, the one of the line that asked."""
    place = (row.key, facts.first_asked(row).branch)
    found = (one for one in facts.trail if one.event in _CLAIMS)
    return next((one for one in found if (one.step, one.branch) == place), None)


def _effect(facts: CaseFacts, row: LedgerRow, claim: TrailRow | None) -> ExplainedEffect:
    done = _done_as(facts, row)
    about = (row, facts.first_asked(row), done)
    settled = [one for one in facts.trail if _settles(one, row)]
    state, receipt, code = _outcome(row, settled)
    intent = row.intent
    text = intent.content if intent else ""
    ordered = _order(facts, row, claim)
    approval = _approval_id(facts, row, done)
    limit = None if approval else _limit(row)
    recorded = next((one for one in facts.writes if one.step == _step(row)), None)
    return ExplainedEffect(
        text_digest=hashlib.sha256(text.encode()).hexdigest() if text else None,
        state=state,
        receipt=receipt,
        code=code,
        settled_at=settled[-1].at if settled else None,
        ordered_by=facts.place(ordered.version) if ordered else None,
        claimed_after=facts.place(claim.version) if claim else None,
        recorded_in=facts.place(recorded.version) if recorded else None,
        limit=limit,
        limit_days=intent.limit_days if intent and limit else None,
        approval_id=approval,
        approval_digest=intent.approval_digest if intent else None,
        promotes=intent.promotes if intent else None,
        compensation=intent.compensation if intent else None,
        tasks=tuple(task.task_id for task in facts.tasks if _is_about(facts, task, row)),
        done_as=done.key if done else None,
        differs=_differences(row, done) if row.mode == "conflict" and done else {},
        history=tuple(Event.of(facts, one) for one in facts.trail if _tells_of(one, about)),
        gaps=tuple(_effect_gaps(facts, row, claim, settled, ordered)),
        **{name: getattr(row, name) for name in (
            "key", "kind", "mode", "amount", "charge_id", "attempts", "claimed_at")},
    )  # fmt: skip


def _order(facts: CaseFacts, row: LedgerRow, claim: TrailRow | None) -> TrailRow | None:
    """What ordered it: a section of the case, or the beginning of a promotion."""
    if row.kind == "notice":
        return _request_row(facts, _noticed(facts, row))
    if row.intent and row.intent.promotes:
        begun = (one for one in facts.trail if one.event == "promotion_begun")
        return next((one for one in begun if one.detail.split()[0] == row.intent.promotes), None)
    return facts.written(_ORDERS.get(row.kind, ""), claim.version if claim else 0)


def _request_row(facts: CaseFacts, approval_id: str | None) -> TrailRow | None:
    """The row of the request: the first that wrote its section, or of a promotion that asked."""
    for row in facts.trail:
        section = typed(ApprovalSection, row.value) if row.section == ApprovalSection.name else None
        asked = row.event == "promotion_requested" and approval_id in row.detail.split()
        if asked or (section and section.approval_id == approval_id):
            return row
    return None


def _limit(row: LedgerRow) -> Money | None:
    """The limit that the claim was held against."""
    minor = row.intent.limit_minor if row.intent else None
    if minor is None or row.amount is None:
        return None
    return Money(amount_minor=minor, currency=row.amount.currency)


def _settles(one: TrailRow, row: LedgerRow) -> bool:
    return one.event == "effect_settled" and (one.step, one.branch) == (row.key, row.branch)


def _tells_of(one: TrailRow, rows: tuple[LedgerRow | None, ...]) -> bool:
    """Whether it is about the effect, what asked for it first, or what was done in its place."""
    places = {(row.key, row.branch) for row in rows if row}
    return one.event.startswith("effect_") and (one.step, one.branch) in places


def _outcome(row: LedgerRow, settled: list[TrailRow]) -> tuple[str, str | None, str | None]:
    """State, receipt and code as of the last row that settled it."""
    if row.mode != DONE or (settled and settled[-1].detail == _said(row)):
        return row.state, row.receipt, row.code
    if not settled:
        return "sending", None, None
    state, *rest = settled[-1].detail.split(" ")
    receipt = row.receipt if row.receipt in rest else None
    return state, receipt, row.code if row.code in rest else None


def _said(row: LedgerRow) -> str:
    return " ".join(part for part in (row.state, row.receipt, row.code) if part is not None)


def _step(row: LedgerRow) -> str:
    """The step that puts such an effect's outcome on record."""
    if row.intent and row.intent.promotes:
        return f"promotion:{row.intent.promotes}"
    if row.kind != "refund":
        return row.kind
    group = row.intent.duplicate_group if row.intent else None
    return ":".join(["refund", *(group or "").split("/")[-2:]])


def _approval_id(facts: CaseFacts, row: LedgerRow, done: LedgerRow | None) -> str | None:
    """What let it out: on a branch what let the same out really, or is assumed to."""
    if row.kind == "notice":
        return _noticed(facts, row)
    if row.mode == "adopted" and done:
        return done.approval_id
    if row.mode != DONE and row.intent:
        return row.intent.approval_id
    return row.approval_id


def _noticed(facts: CaseFacts, row: LedgerRow) -> str | None:
    """The request that a notice told approvers of."""
    for request in facts.requests:
        for asked in range(1, request.asked + 1):
            if row.key in {notice_key(request.approval_id, about, asked) for about in Occasion}:
                return request.approval_id
    return None


def _is_about(facts: CaseFacts, task: TaskRow, row: LedgerRow) -> bool:
    unlocks = (task.kind, row.kind) == ("unlock_account", "unlock")
    return task.opened_at <= facts.newest and (task.subject == row.key or unlocks)


def _done_as(facts: CaseFacts, row: LedgerRow) -> LedgerRow | None:
    """What the main line did under a branch's key, or about the same charges."""
    if row.mode == DONE:
        return None
    done = [one for one in facts.effects if one.mode == DONE and one.kind == row.kind]
    group = row.intent.duplicate_group if row.intent else None
    return next(
        (one for one in done if one.key == row.key),
        next(
            (one for one in done if group and one.intent and one.intent.duplicate_group == group),
            None,
        ),
    )


def _differences(row: LedgerRow, done: LedgerRow) -> dict[str, Difference]:
    pairs = {
        "amount": (row.amount, done.amount),
        "charge_id": (row.charge_id, done.charge_id),
        "text": tuple(one.intent.content if one.intent else "" for one in (row, done)),
    }
    return {
        name: Difference(wanted=_word(wanted), done=_word(really))
        for name, (wanted, really) in pairs.items()
        if wanted != really
    }


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _effect_gaps(
    facts: CaseFacts,
    row: LedgerRow,
    claim: TrailRow | None,
    settled: list[TrailRow],
    ordered: TrailRow | None,
) -> Iterable[str]:
    name = f"{row.kind} {row.key}"
    if claim is None:
        yield f"{name}: the audit has no row of its claim"
    if row.intent is None or row.intent.parameters_digest != row.parameters_hash:
        yield f"{name}: its parameters were changed or cannot be read"
    known = row.settled_at is None or row.settled_at <= facts.newest
    said = settled[-1].detail if settled else "sending"
    if row.mode == DONE and known and said != _said(row):
        yield f"{name}: the audit says {said!r}, and the ledger {_said(row)!r}"
    if ordered is None and row.kind != "unlock":
        yield f"{name}: nothing on record ordered it"
    if row.approval_id and row.approval_id not in {one.approval_id for one in facts.requests}:
        yield f"{name}: its approval {row.approval_id} is gone"
