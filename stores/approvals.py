"""Approval requests and decisions in Postgres. The row decides; a signal only wakes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from cases.approvals import Approval, ApprovalSection, ApprovalState, Verdict, VoidRequest
from cases.errors import (
    AlreadyDecided,
    ApprovalNotFound,
    CaseClosed,
    CaseError,
    Forbidden,
    StaleRequest,
)
from cases.money import Money
from cases.ports import Committed
from cases.schema import SCHEMA_VERSION
from cases.state import CaseState, CaseStatus, StepUpdate
from stores.approvers import token_hash
from stores.cases import committed
from stores.customer_keys import CustomerKeys
from stores.postgres import Pool, case_errors, details, fetch_row, fetch_rows
from stores.steps import encode_steps, storable


class PostgresApprovals:
    """Fits `cases.ports.Approvals`, and what people do with requests."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def read(self, approval_id: str) -> Approval:
        """One request; raises ApprovalNotFound."""
        row = await fetch_row(self._pool, "read_approval", approval_id)
        if row is None:
            raise ApprovalNotFound(approval_id)
        return await self._approval(row)

    async def open_requests(self, limit: int = 1000) -> list[Approval]:
        """The inbox: what waits for a person, oldest first."""
        return await self._approvals(await fetch_rows(self._pool, "list_approvals", limit))

    async def newest_of(self, case_id: str, branch: str) -> Approval:
        """The case's last request; raises ApprovalNotFound."""
        row = await fetch_row(self._pool, "newest_approval", case_id, branch)
        if row is None:
            raise ApprovalNotFound(case_id)
        return await self._approval(row)

    async def pending_of(self, case_id: str, branch: str) -> list[Approval]:
        """The case's requests that wait for a person, newest first."""
        rows = await fetch_rows(self._pool, "pending_approvals", case_id, branch)
        return await self._approvals(rows)

    async def of_promotion(self, case_id: str, branch: str) -> Approval | None:
        """The last request about the promotion of a branch, or None."""
        row = await fetch_row(self._pool, "approval_of_promotion", case_id, branch)
        return await self._approval(row) if row else None

    async def decide(
        self, state: CaseState, approval: Approval, token: str, verdict: Verdict, note: str
    ) -> tuple[StepUpdate | None, Committed]:
        """Say so as the holder of the token; it is decided once enough different people have.

        Returns the step that was committed with it; of a promotion there is none. Raises Forbidden,
        AlreadyDecided, StaleRequest or CaseClosed, each with an audit row, and
        ConcurrentModification for an outdated `state`.
        """
        note = storable(note)
        approver = await fetch_row(self._pool, "find_approver", token_hash(token))
        name = approver["name"] if approver else "unknown"
        approval = await self.read(approval.approval_id)  # no older than the state
        update = None if approval.promotes else _decided(state, approval, verdict, name, note)
        written = [update] if update else []
        seal = await self._keys.of_case(approval.case_id)
        encoded = encode_steps(written, state.expected(ApprovalSection.name), seal)
        try:
            async with case_errors(approval.case_id, approval.branch):
                row = await fetch_row(
                    self._pool, "decide_approval", approval.approval_id, token_hash(token), verdict,
                    seal.text(note), SCHEMA_VERSION, encoded.steps, encoded.bodies,
                )  # fmt: skip
        except CaseClosed as closed:
            await self._refused(approval, name, closed)
            raise
        except asyncpg.PostgresError as error:
            refusal = _refusal(approval, error)
            await self._refused(approval, details(error).get("name", name), refusal)
            raise refusal from error
        return update, committed(row)

    async def close(self, state: CaseState, approval_id: str, end: ApprovalState) -> ApprovalState:
        """Expire or void an open request; the state in which it now is."""
        approval = await self.read(approval_id)
        closed = _section(state, approval).model_copy(update={"state": end, "decided_by": ()})
        update = _step(closed, approval, end.value, end.value)
        seal = await self._keys.of_case(approval.case_id)
        encoded = encode_steps([update], state.expected(closed.name), seal)
        async with case_errors(approval.case_id, approval.branch):
            row = await fetch_row(
                self._pool, "close_approval", approval_id, end, SCHEMA_VERSION,
                encoded.steps, encoded.bodies,
            )  # fmt: skip
        return ApprovalState(row["state"] if row else approval.state)

    async def remind(self, approval_id: str) -> bool:
        """Note the one reminder; whether this call was it."""
        row = await fetch_row(self._pool, "remind_approval", approval_id)
        return row is not None and bool(row["reminded"])

    async def _approval(self, row: asyncpg.Record) -> Approval:
        return (await self._approvals([row]))[0]

    async def _approvals(self, rows: Sequence[asyncpg.Record]) -> list[Approval]:
        return [_approval(row) for row in await self._keys.opened(rows)]

    async def _refused(self, approval: Approval, actor: str, refusal: CaseError) -> None:
        await fetch_row(
            self._pool, "note_event", approval.case_id, approval.branch, actor, "decision_refused",
            str(refusal), "",
        )  # fmt: skip


def _decided(
    state: CaseState, approval: Approval, verdict: Verdict, name: str, note: str
) -> StepUpdate:
    now, decided_by = approval.after(verdict, name)
    decided = _section(state, approval).model_copy(
        update={"state": now, "decided_by": decided_by, "note": note}
    )
    name_of_step = f"vote:{name}" if now is ApprovalState.PENDING else now.value
    return _step(decided, approval, name_of_step, f"{verdict} by {name}")


def _section(state: CaseState, approval: Approval) -> ApprovalSection:
    section = state.get(ApprovalSection)
    if section and section.approval_id == approval.approval_id:
        return section
    return ApprovalSection(
        approval_id=approval.approval_id,
        state=approval.state,
        amount=approval.amount,
        digest=approval.digest,
    )


def _step(section: ApprovalSection, approval: Approval, name: str, reason: str) -> StepUpdate:
    again = f".{approval.asked}" if approval.asked > 1 else ""
    return StepUpdate(
        step=f"approval:{section.approval_id}{again}:{name}",
        owner=ApprovalSection.owner,
        sections={section.name: section},
        status=CaseStatus.SETTLING if section.state is ApprovalState.APPROVED else None,
        reason=reason,
    )


def _refusal(approval: Approval, error: asyncpg.PostgresError) -> CaseError:
    match error.sqlstate:
        case "CK401":
            return Forbidden("The token belongs to no approver.")
        case "CK402":
            found = details(error)
            sentence = _OBJECTIONS[found["why"]]
            return Forbidden(sentence.format(name=found["name"], approval=approval))
        case "CK411":
            winner = details(error)
            return AlreadyDecided(approval.case_id, winner["state"], winner["by"])
        case "CK410" if details(error)["state"] == ApprovalState.VOID:
            return VoidRequest(approval.case_id)
        case "CK410":
            return StaleRequest(approval.case_id)
        case _:
            raise error


#: Why someone may not decide, by the word that the database has for it.
_OBJECTIONS = {
    "revoked": "{name} is not an approver any more.",
    "own_request": "{name} opened case {approval.case_id}: another person must decide.",
    "own_promotion": "{name} asked for this promotion: another person must decide.",
    "own_customer": "Case {approval.case_id} is {name}'s own: another person must decide.",
    "above_limit": "{approval.amount} is above the limit of {name}.",
    "approved_before": "{name} has approved it already: another person must.",
}


def _approval(row: Mapping[str, Any]) -> Approval:
    fields = {
        key: row[key]
        for key in ("approval_id", "case_id", "branch", "digest", "rule", "state", "requested_at",
                    "expires_at", "needed", "approved_by", "asked", "decided_by", "decided_at",
                    "note", "promotes", "requested_by")
    }  # fmt: skip
    return Approval(
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        orders=json.loads(row["orders"]),
        consumed_by=tuple(row["consumed_by"]),
        **fields,
    )
