"""What people were asked in a case, what they said, and what they had to do or undo."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from cases.approvals import ApprovalSection, ApprovalState
from cases.billing import RefundOrder
from cases.explained_effects import ExplainedEffect
from cases.ids import MAIN
from cases.money import Money
from cases.records import Record
from cases.trail import (
    CaseFacts,
    CompensationRow,
    Event,
    RequestRow,
    TaskRow,
    TrailRow,
    Vote,
    typed,
)


class ExplainedApproval(Record):
    """A question to people, what exactly it was about, and what they said.

    Nobody is asked on a branch: then all of it comes from the section.
    """

    approval_id: str
    digest: str
    amount: Money
    orders: tuple[RefundOrder, ...]
    rule: str | None
    needed: int | None
    requested_at: datetime
    expires_at: datetime | None
    #: The steps that brought it to where it is.
    checkpoints: tuple[str, ...]
    state: str
    decided_by: tuple[str, ...]
    note: str
    votes: tuple[Vote, ...]
    #: The effects that it let out, and the promotion.
    consumed_by: tuple[str, ...]
    #: The branch that it would make the main line, and who wants that.
    promotes: str | None
    requested_by: str
    history: tuple[Event, ...]
    gaps: tuple[str, ...] = Field(default=(), exclude=True)


class ExplainedCompensation(CompensationRow):
    """How something is undone, with what the audit says of it."""

    history: tuple[Event, ...]


class ExplainedTask(TaskRow):
    """What a person had to do, with what the audit says of it."""

    history: tuple[Event, ...]


def approvals_of(
    facts: CaseFacts, effects: Sequence[ExplainedEffect]
) -> tuple[ExplainedApproval, ...]:
    """The requests of the case, and those that its effects were let out by, oldest first."""
    sections = [(row, typed(ApprovalSection, row.value)) for row in facts.writes
                if row.section == ApprovalSection.name]  # fmt: skip
    written = [(row, section) for row, section in sections if section]
    requests = {one.approval_id: one for one in facts.requests}
    own = [
        one.approval_id
        for one in facts.requests
        if one.branch == facts.case.branch and one.requested_at <= facts.newest
    ]
    let_out = [one.approval_id for one in effects if one.approval_id in requests]
    ids = dict.fromkeys([*(section.approval_id for _, section in written), *own, *let_out])
    return tuple(
        _approval(
            facts,
            requests.get(one),
            [pair for pair in written if pair[1].approval_id == one],
            [effect.key for effect in effects if effect.approval_id == one],
        )
        for one in ids
        if one
    )


def _approval(
    facts: CaseFacts,
    request: RequestRow | None,
    written: list[tuple[TrailRow, ApprovalSection]],
    keys: list[str],
) -> ExplainedApproval:
    shown = written[-1][1] if written else request
    assert shown  # it is known from one or from the other  # noqa: S101
    last = written[-1][1] if written else None
    history = [row for row in facts.trail if _tells_of(row, shown.approval_id)]
    state, by = _stands(request, written, history)
    return ExplainedApproval(
        approval_id=shown.approval_id,
        digest=shown.digest,
        amount=shown.amount,
        orders=request.orders if request else (),
        rule=request.rule if request else None,
        needed=request.needed if request else None,
        requested_at=_requested_at(request, written),
        expires_at=_expires_at(facts, request),
        checkpoints=tuple(facts.place(row.version) for row, _ in written),
        state=state,
        decided_by=by,
        note=last.note if last else "",
        votes=tuple(v for v in request.votes if v.at <= facts.newest) if request else (),
        consumed_by=tuple(_consumed(request, keys, history)) if request else (),
        promotes=request.promotes if request else None,
        requested_by=request.requested_by if request else "",
        history=tuple(Event.of(facts, row) for row in history),
        gaps=tuple(_gaps(facts, request, shown, state)),
    )


def _tells_of(row: TrailRow, approval_id: str) -> bool:
    """Whether it is about that request: the detail begins with it, or with a branch and it."""
    told = row.event.startswith(("approval_", "promotion_"))
    return told and approval_id in row.detail.replace(":", " ").split()[:2]


def _consumed(request: RequestRow, keys: list[str], history: Iterable[TrailRow]) -> Iterable[str]:
    """Of what it let out, that which had been claimed or begun by then."""
    begun = any(row.event == "promotion_begun" for row in history)
    for one in request.consumed_by:
        if one in keys or (begun and one == f"promotion:{request.promotes}"):
            yield one


def _requested_at(
    request: RequestRow | None, written: list[tuple[TrailRow, ApprovalSection]]
) -> datetime:
    """When it was first asked: what was voided may be asked again."""
    times = [row.at for row, _ in written] + ([request.requested_at] if request else [])
    return min(times)


def _expires_at(facts: CaseFacts, request: RequestRow | None) -> datetime | None:
    """None also where it was asked anew since: of the earlier time nothing is kept."""
    return request.expires_at if request and request.requested_at <= facts.newest else None


def _stands(
    request: RequestRow | None,
    written: list[tuple[TrailRow, ApprovalSection]],
    history: Iterable[TrailRow],
) -> tuple[ApprovalState, tuple[str, ...]]:
    """Its state and who decided, as of the last row of the trail that says something about it."""
    by_section = {(row.branch, row.seq): section for row, section in written}
    state, by = ApprovalState.PENDING, tuple[str, ...]()
    rows = [*(row for row, _ in written), *history]
    for row in sorted(rows, key=lambda row: (row.version, row.seq)):
        if section := by_section.get((row.branch, row.seq)):
            state, by = section.state, section.decided_by
        elif row.event in _ENDS:
            state = _ENDS[row.event]
        elif row.event == "promotion_requested":
            state, by = ApprovalState.PENDING, ()
        elif row.event == "promotion_decided":
            state, by = _decided(request, row, by)
    return state, by


_ENDS = {
    "approval_voided": ApprovalState.VOID,
    "promotion_void": ApprovalState.VOID,
    "promotion_expired": ApprovalState.EXPIRED,
}


def _decided(
    request: RequestRow | None, row: TrailRow, by: tuple[str, ...]
) -> tuple[ApprovalState, tuple[str, ...]]:
    """What one person's word about a promotion made of it: several may be needed."""
    if row.detail.split()[2] == ApprovalState.DENIED:
        return ApprovalState.DENIED, (row.actor,)
    by = (*by, row.actor)
    enough = request is None or len(by) >= request.needed
    return ApprovalState.APPROVED if enough else ApprovalState.PENDING, by


def _gaps(
    facts: CaseFacts,
    request: RequestRow | None,
    shown: ApprovalSection | RequestRow,
    state: ApprovalState,
) -> Iterable[str]:
    """On a branch nobody is asked, so nothing can be missing."""
    if facts.case.branch != MAIN:
        return
    name = f"approval {shown.approval_id}"
    if request is None:
        yield f"{name}: the request is gone"
        return
    if request.digest != shown.digest or request.amount != shown.amount:
        yield f"{name}: the request is not the one that was shown"
    changed = max(request.requested_at, request.decided_at or request.requested_at)
    if changed <= facts.newest and request.state != state:
        yield f"{name}: the audit says {state.value!r}, and the request {request.state!r}"


def compensations_of(facts: CaseFacts) -> tuple[ExplainedCompensation, ...]:
    """What was to be undone, in the order in which it was put on record."""
    found: list[ExplainedCompensation] = []
    for row in facts.compensations:
        if row.registered_at <= facts.newest:
            ended = row.ended_at if row.ended_at and row.ended_at <= facts.newest else None
            told = [one for one in facts.trail if one.event.startswith("compensation_")
                    and (one.step, one.branch) == (row.name, facts.case.branch)]  # fmt: skip
            found.append(
                ExplainedCompensation(
                    name=row.name,
                    state=row.state if ended else "registered",
                    registered_at=row.registered_at,
                    ended_at=ended,
                    history=tuple(Event.of(facts, one) for one in told),
                )
            )
    return tuple(found)


def tasks_of(facts: CaseFacts) -> tuple[ExplainedTask, ...]:
    """What people had to do, in the order in which they were told."""
    found: list[ExplainedTask] = []
    for row in facts.tasks:
        if row.opened_at <= facts.newest:
            closed = row.closed_at is not None and row.closed_at <= facts.newest
            told = [one for one in facts.trail if one.event in {"task_opened", "task_finished"}
                    and one.step == row.task_id]  # fmt: skip
            found.append(
                ExplainedTask(
                    closed_at=row.closed_at if closed else None,
                    closed_by=row.closed_by if closed else None,
                    note=row.note if closed else "",
                    history=tuple(Event.of(facts, one) for one in told),
                    **{name: getattr(row, name) for name in (
                        "task_id", "kind", "subject", "detail", "opened_at")},
                )
            )  # fmt: skip
    return tuple(found)
