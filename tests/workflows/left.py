"""What a case leaves behind, once its run is closed, and what must hold of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cases.approvals import Verdict
from cases.effects import RefundSection
from cases.errors import CaseError
from cases.ids import MAIN
from tests.workflows.plays import Play
from tests.workflows.support import decided, ended, eventually

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Left:
    """The rows of a case that has ended, and what the outside has of it."""

    closed_by: int
    status: str
    closed: bool
    #: A refund was made, or may have been: given up for unknown, for one.
    money_moved: bool
    steps: Sequence[str]
    texts: Sequence[str]
    effects: Rows
    approvals: Rows
    compensations: Rows
    tasks: Rows
    audit: Rows
    damage: Sequence[object]
    refunds: Rows
    resets: Rows
    answers: Rows

    def events(self, kind: str) -> list[str]:
        """The audit's rows of a kind, by what they are about."""
        return [row["step"] for row in self.audit if row["event"] == kind]

    def is_settled(self, *, refunds_of_others: bool = False) -> None:
        """Nothing is open, and ledger and provider tell the same."""
        assert self.closed
        assert self.damage == []
        assert [row for row in self.effects if row["state"] == "sending"] == []
        assert [row for row in self.approvals if row["state"] == "pending"] == []
        assert [row for row in self.compensations if row["state"] == "registered"] == []
        ours = [] if refunds_of_others else [row["id"] for row in self.refunds]
        assert self.money_moved or not ours
        made = [row for row in self.effects if row["kind"] == "refund"]
        assert [r["receipt"] for r in made if r["state"] in {"succeeded", "pending"}] == ours
        assert len(self.refunds) <= 1
        assert len(self.resets) <= 1
        assert len(self.answers) <= 1

    def was_undone_newest_first(self, *, cancelled: bool) -> None:
        """All of it where it was stopped before its pivot, and nothing otherwise."""
        undone = [row for row in self.compensations if row["state"] in {"done", "failed"}]
        if self.money_moved or not cancelled:
            assert undone == []
            assert [row for row in self.resets if row["revoked_at"]] == []
            return
        assert len(undone) == len(self.compensations)
        in_turn = sorted(undone, key=lambda row: row["ended_at"])
        newest_first = sorted(undone, key=lambda row: -row["seq"])
        assert in_turn == newest_first
        registered = self.events("compensation_registered")
        ended = self.events("compensation_done") + self.events("compensation_failed")
        assert sorted(ended) == sorted(registered)
        done = {row["name"] for row in undone if row["state"] == "done"}
        taken_back = "revoke_reset" in done
        assert [bool(row["revoked_at"]) for row in self.resets] == [taken_back] * len(self.resets)


_EFFECTS = "SELECT key, kind, state, receipt FROM effects WHERE case_id = $1"
_APPROVALS = "SELECT approval_id, state, consumed_by FROM approvals WHERE case_id = $1"
_COMPENSATIONS = (
    "SELECT name, seq, state, ended_at FROM compensations WHERE case_id = $1 ORDER BY seq"
)
_AUDIT = "SELECT actor, event, step, detail FROM case_audit WHERE case_id = $1 ORDER BY seq"
_TASKS = "SELECT kind, subject, detail FROM tasks WHERE case_id = $1 ORDER BY opened_at"
_CASE = "SELECT status, closed_at FROM cases WHERE case_id = $1"


async def left_of(play: Play) -> Left:
    """Wait until the run is closed; what it left."""
    events = await ended(play.handle)
    world = play.world
    state = await world.state(play.case_id)
    refund = state.get(RefundSection)
    [case] = await play.fetch(_CASE)
    keys = world.session.stores.keys
    return Left(
        closed_by=events[-1].event_type,
        status=case["status"],
        closed=case["closed_at"] is not None,
        money_moved=refund is not None and refund.state.moved,
        steps=state.completed_steps,
        texts=[message.text for message in state.messages],
        effects=await play.fetch(_EFFECTS),
        approvals=await play.fetch(_APPROVALS),
        compensations=await play.fetch(_COMPENSATIONS),
        tasks=await keys.opened(await play.fetch(_TASKS)),
        audit=await keys.opened(await play.fetch(_AUDIT)),
        damage=await world.session.stores.audit.verify(play.case_id, MAIN),
        refunds=await world.refunds(),
        resets=[row for row in await world.mails("reset") if row["case_id"] == play.case_id],
        answers=[row for row in await world.mails("answer") if row["case_id"] == play.case_id],
    )


async def see_off(play: Play, *, approving: bool = True) -> None:
    """Wait until the case is closed; meanwhile a person approves whatever is asked."""

    async def is_closed() -> bool:
        [case] = await play.fetch(_CASE) or [{"closed_at": None}]
        asked = await play.fetch(_APPROVALS) if approving else []
        if any(row["state"] == "pending" for row in asked):
            with suppress(CaseError):  # someone was first, or the case went on
                await decided(play.world, Verdict.APPROVED, play.case_id)
        return case["closed_at"] is not None

    await eventually(is_closed)
