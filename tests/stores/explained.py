"""Follows every reference of an explanation to the row that it names, with its own queries."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cases.explained_effects import ExplainedEffect
from cases.explained_people import ExplainedApproval
from cases.explanation import Explanation, explain
from cases.ids import MAIN, parse_checkpoint_id
from cases.trail import DONE, AuditRef, Event
from stores.explanation import PostgresExplanation
from workers.composition import Stores, shipped_policy

Row = dict[str, Any]

#: The section by which an effect was ordered, and the names of what it says about it.
_ORDERED_BY = {
    "refund": "policy",
    "reset_mail": "account",
    "reset_revoked": "account",
    "answer": "resolution",
    "notice": "approval",
}


async def told(stores: Stores, case_id: str, branch: str = MAIN) -> Explanation:
    facts = await PostgresExplanation(stores.pool, stores.keys).facts(case_id, branch)
    return explain(facts, shipped_policy())


class Walk:
    """One explanation, and the tables that it must agree with."""

    def __init__(self, stores: Stores, explanation: Explanation) -> None:
        self.stores, self.told = stores, explanation
        self.case = (explanation.case_id, explanation.branch)

    async def all(self) -> None:
        """Everything holds, and nothing on record is left out."""
        assert not self.told.gaps, self.told.gaps
        await self.effects()
        for decision in self.told.decisions:
            await self.checkpoint(decision.checkpoint_id, decision.step)
            await self.seen(decision.checkpoint_id)
        for approval in self.told.approvals:
            await self.approval(approval)
        for task in self.told.tasks:
            assert task.history[0].event == "task_opened"
        await self.sections()
        await self.audit()

    async def rows(self, query: str, *args: object) -> list[Row]:
        return await self.stores.keys.opened(await self.stores.pool.fetch(query, *args))

    async def one(self, query: str, *args: object) -> Row:
        [row] = await self.rows(query, *args)
        return row

    async def checkpoint(self, checkpoint: str | None, step: str | None = None) -> Row:
        assert checkpoint
        branch, version = parse_checkpoint_id(checkpoint)
        query = "SELECT * FROM checkpoints WHERE (case_id, branch, version) = ($1, $2, $3)"
        row = await self.one(query, self.told.case_id, branch, version)
        assert step in (None, row["step"])
        return row

    async def hashed(self, ref: AuditRef) -> Row:
        query = "SELECT * FROM case_audit WHERE (case_id, branch, seq) = ($1, $2, $3)"
        row = await self.one(query, self.told.case_id, ref.branch, ref.seq)
        assert bytes(row["hash"]).hex() == ref.hash
        return row

    async def effects(self) -> None:
        """Each row of the ledger is explained, and by nothing that is not there."""
        table = "effects" if self.told.branch == MAIN else "branch_effects"
        query = f"SELECT * FROM {table} WHERE case_id = $1 AND branch = $2"  # noqa: S608  of two
        found = {row["key"]: row for row in await self.rows(query, *self.case)}
        assert {effect.key for effect in self.told.effects} == found.keys()
        for effect in self.told.effects:
            await self.effect(effect, found[effect.key])

    async def effect(self, effect: ExplainedEffect, row: Row) -> None:
        amount = effect.amount
        assert (effect.kind, effect.charge_id) == (row["kind"], row["charge_id"])
        assert (effect.state, effect.receipt, effect.code) == (
            row["state"], row["receipt"], row["code"],
        )  # fmt: skip
        assert (amount and amount.amount_minor) == row["amount_minor"]
        await self.claim(effect.history, row)
        await self.checkpoint(effect.claimed_after)
        if effect.kind in _ORDERED_BY:
            await self.order(effect)
        if effect.mode == DONE:
            await self.outcome(effect)
            await self.allowed(effect, row)
        elif effect.done_as:
            await self.one("SELECT key FROM effects WHERE key = $1", effect.done_as)
        for task in effect.tasks:
            await self.one("SELECT task_id FROM tasks WHERE task_id = $1", task)
        assert set(effect.tasks) <= {task.task_id for task in self.told.tasks}
        if effect.compensation and effect.mode == DONE:
            assert effect.compensation in {undo.name for undo in self.told.compensations}

    async def claim(self, history: Sequence[Event], row: Row) -> None:
        rows = [await self.hashed(event.audit) for event in history]
        own = [one for one in rows if (one["branch"], one["step"]) == (row["branch"], row["key"])]
        claimed = "effect_claimed" if row["branch"] == MAIN else f"effect_{row['mode']}"
        assert own[0]["event"] == claimed
        assert bytes(own[0]["body_hash"]).hex() == row["parameters_hash"]
        said = [row["state"], row["receipt"], row["code"]]
        settled = [one["detail"] for one in own if one["event"] == "effect_settled"]
        if row["branch"] == MAIN and row["state"] != "sending":
            assert settled[-1] == " ".join(filter(None, said))

    async def order(self, effect: ExplainedEffect) -> None:
        """The decision was there when it was claimed, and is about just that."""
        await self.checkpoint(effect.ordered_by)
        assert effect.ordered_by
        assert effect.claimed_after
        ordered, claimed = (
            parse_checkpoint_id(one)[1] for one in (effect.ordered_by, effect.claimed_after)
        )
        assert ordered <= claimed
        [decision] = [d for d in self.told.decisions if d.checkpoint_id == effect.ordered_by]
        [value] = [w.value for w in decision.wrote if w.section == _ORDERED_BY[effect.kind]]
        if effect.kind == "refund":
            assert effect.charge_id in {order["charge_id"] for order in value["orders"]}
            assert decision.ruling
            assert decision.ruling.policy_known
        if effect.kind == "answer":
            assert effect.text_digest == hashlib.sha256(value["answer"].encode()).hexdigest()

    async def outcome(self, effect: ExplainedEffect) -> None:
        """The provider and the mailer have it under that key and receipt."""
        if effect.state == "succeeded" and effect.kind in {"refund", "answer", "reset_mail"}:
            table = "current_refunds" if effect.kind == "refund" else "mails"
            query = f"SELECT id FROM sandbox.{table} WHERE idempotency_key = $1"  # noqa: S608
            there = await self.stores.sandbox.fetch(query, effect.key)
            assert [row["id"] for row in there] == [effect.receipt]
        if effect.recorded_in:
            await self.checkpoint(effect.recorded_in)

    async def allowed(self, effect: ExplainedEffect, row: Row) -> None:
        if effect.kind != "refund":
            return
        assert (effect.approval_id is None) == (effect.limit is not None)
        assert effect.approval_id == row["approval_id"]
        if effect.limit and effect.amount:
            assert effect.limit == shipped_policy().limit(effect.amount.currency)
        if effect.approval_id:
            query = "SELECT * FROM approvals WHERE approval_id = $1"
            asked = await self.one(query, effect.approval_id)
            assert asked["digest"] == effect.approval_digest
            assert effect.key in asked["consumed_by"]
            [request] = [a for a in self.told.approvals if a.approval_id == effect.approval_id]
            assert effect.key in request.consumed_by
            assert effect.charge_id in {order.charge_id for order in request.orders}
            yes = {vote.who for vote in request.votes if vote.verdict == "approved"}
            assert len(yes) >= (request.needed or 1)

    async def approval(self, approval: ExplainedApproval) -> None:
        for checkpoint in approval.checkpoints:
            await self.checkpoint(checkpoint)
        if self.told.branch != MAIN:
            return
        query = "SELECT * FROM approvals WHERE approval_id = $1"
        row = await self.one(query, approval.approval_id)
        assert (approval.digest, approval.state) == (row["digest"], row["state"])
        assert set(approval.consumed_by) == set(row["consumed_by"])
        votes = await self.rows(
            "SELECT approver, verdict, note, at FROM approval_votes WHERE approval_id = $1 "
            "ORDER BY at", approval.approval_id,
        )  # fmt: skip
        assert [tuple(v.values()) for v in votes] == [
            (v.who, v.verdict, v.note, v.at) for v in approval.votes
        ]

    async def seen(self, checkpoint: str) -> None:
        """What an agent saw is what the state of that version holds."""
        [decision] = [d for d in self.told.decisions if d.checkpoint_id == checkpoint]
        saw = decision.saw
        if saw is None or not saw.version:
            return
        await self.checkpoint(saw.checkpoint_id)
        state = await self.stores.cases.load(*self.case, at=saw.version)
        visible = state.seen_by(decision.who)
        versions = {name: state.section_versions[name] for name in visible.sections}
        assert saw.sections == versions
        assert saw.messages == len(state.messages) + state.messages_pruned
        assert saw.messages_pruned == state.messages_pruned

    async def sections(self) -> None:
        """Every section that was written is a decision's, with its very value."""
        query = "SELECT name, version FROM sections WHERE case_id = $1 AND branch = $2"
        found = {(row["name"], row["version"]) for row in await self.rows(query, *self.case)}
        wrote = [one for decision in self.told.decisions for one in decision.wrote]
        assert {(w.section, w.version) for w in wrote if w.audit.branch == self.case[1]} == found
        for one in wrote:
            row = await self.hashed(one.audit)
            assert (row["section"], row["version"]) == (one.section, one.version)
            for digest in one.archived:
                query = "SELECT digest FROM archive WHERE case_id = $1 AND digest = $2"
                await self.one(query, self.told.case_id, digest)

    async def audit(self) -> None:
        """Each row of the branch's audit stands in the explanation, and once."""
        parts = (self.told.effects, self.told.approvals, self.told.compensations, self.told.tasks)
        refs = [one.audit for decision in self.told.decisions for one in decision.wrote]
        refs += [event.audit for part in parts for one in part for event in one.history]
        refs += [event.audit for event in self.told.events]
        counted = Counter(ref.seq for ref in refs if ref.branch == self.told.branch)
        query = "SELECT seq FROM case_audit WHERE case_id = $1 AND branch = $2"
        assert counted == Counter(row["seq"] for row in await self.rows(query, *self.case))
        for ref in refs:
            await self.hashed(ref)
        assert list(self.told.events) == sorted(self.told.events, key=lambda event: event.at)
        others = [event for event in self.told.events if event.audit.branch != self.told.branch]
        assert not [event for event in others if event.event.startswith("effect_")]
