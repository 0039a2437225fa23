"""A payment provider: charges, and refunds by idempotency key."""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

from cases.billing import ENDED_UNPAID, Charge, ChargeStatus, RefundRecord
from cases.effects import EffectIntent, EffectState, Outcome
from cases.money import Money
from gateways.sandbox.connection import NO_ANSWER, Pool

_CHARGES = """
SELECT c.*, coalesce(json_agg(json_build_object(
           'amount_minor', r.amount_minor, 'currency', r.currency,
           'created_at', r.created_at, 'status', r.status) ORDER BY r.created_at)
       FILTER (WHERE r.id IS NOT NULL), '[]') AS refunds
  FROM sandbox.charges c LEFT JOIN sandbox.refunds r ON r.charge_id = c.id
 WHERE c.customer_id = $1 GROUP BY c.id ORDER BY c.created_at, c.id"""

_INSERT = """
INSERT INTO sandbox.refunds
    (id, charge_id, amount_minor, currency, status, idempotency_key, parameters_hash)
VALUES ($1, $2, $3, $4, 'succeeded', $5, $6)"""


class SandboxPayments:
    """Fits `cases.ports.Payments`. The same key with the same parameters refunds once."""

    account = "sandbox"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        """The customer's charges with their refunds, oldest first."""
        return [_charge(row) for row in await self._pool.fetch(_CHARGES, customer_id)]

    async def refund(self, intent: EffectIntent) -> Outcome:
        """Pay back part or all of a charge; an outcome that is not known is returned as such."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await _refund(connection, intent)
        except NO_ANSWER:
            return Outcome(state=EffectState.UNKNOWN, code="no_answer")

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """The refund that carries the intent's key, or None."""
        row = await _known(self._pool, intent.key)
        return _outcome(row) if row else None


async def _refund(connection: Any, intent: EffectIntent) -> Outcome:
    # The charge's row is locked first: refunds of one charge are decided one after another.
    charge = await connection.fetchrow(
        "SELECT * FROM sandbox.charges WHERE id = $1 FOR UPDATE", intent.charge_id
    )
    known = await _known(connection, intent.key)
    if known:
        same = known["parameters_hash"] == intent.parameters_digest
        return _outcome(known) if same else _rejected("idempotency_error")
    if charge is None or intent.amount is None:
        return _rejected("charge_not_found")
    code = await _refusal(connection, charge, intent.amount)
    if code:
        return _rejected(code)
    receipt = f"re_{intent.key[4:28]}"
    await connection.execute(
        _INSERT, receipt, intent.charge_id, intent.amount.amount_minor, intent.amount.currency,
        intent.key, intent.parameters_digest,
    )  # fmt: skip
    return Outcome(state=EffectState.SUCCEEDED, receipt=receipt)


async def _refusal(connection: Any, charge: asyncpg.Record, amount: Money) -> str | None:
    if charge["status"] == ChargeStatus.DISPUTED:
        return "charge_disputed"
    if charge["status"] != ChargeStatus.CAPTURED:
        return "charge_not_captured"
    if charge["currency"] != amount.currency:
        return "currency_differs"
    refunded = await connection.fetchval(
        "SELECT coalesce(sum(amount_minor), 0) FROM sandbox.refunds "
        "WHERE charge_id = $1 AND status <> ALL($2)",
        charge["id"],
        list(ENDED_UNPAID),
    )
    if refunded >= charge["amount_minor"]:
        return "charge_already_refunded"
    return "amount_too_high" if refunded + amount.amount_minor > charge["amount_minor"] else None


async def _known(connection: Any, key: str) -> asyncpg.Record | None:
    row: asyncpg.Record | None = await connection.fetchrow(
        "SELECT * FROM sandbox.refunds WHERE idempotency_key = $1", key
    )
    return row


def _outcome(row: asyncpg.Record) -> Outcome:
    state = EffectState.PENDING if row["status"] == "pending" else EffectState.SUCCEEDED
    return Outcome(state=state, receipt=row["id"])


def _rejected(code: str) -> Outcome:
    return Outcome(state=EffectState.REJECTED, code=code)


def _charge(row: asyncpg.Record) -> Charge:
    refunds = [
        RefundRecord(
            amount=Money(amount_minor=r["amount_minor"], currency=r["currency"]),
            created_at=r["created_at"],
            status=r["status"],
        )
        for r in json.loads(row["refunds"])
    ]
    return Charge(
        charge_id=row["id"],
        customer_id=row["customer_id"],
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        merchant=row["merchant"],
        description=row["description"],
        created_at=row["created_at"],
        status=row["status"],
        refunds=tuple(refunds),
    )
