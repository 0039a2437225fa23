"""The adapter to the sandbox's payment provider: its answers and rows as values of ours."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from cases.billing import ENDED_UNPAID, Charge, RefundRecord
from cases.effects import EffectIntent, EffectState, Outcome, ProviderRefund
from cases.money import Money
from gateways.sandbox.connection import DEADLINE_S, NO_ANSWER, NOT_AUTHORISED, Pool, ask
from gateways.sandbox.provider import Answer, ask_for_refund

#: How many refunds are listed at once.
PAGE = 500

_CHARGES = """
SELECT c.*, coalesce(json_agg(json_build_object(
           'id', r.id, 'key', r.idempotency_key,
           'amount_minor', r.amount_minor, 'currency', r.currency,
           'created_at', r.created_at, 'status', r.status) ORDER BY r.created_at)
       FILTER (WHERE r.id IS NOT NULL), '[]') AS refunds
  FROM sandbox.charges c LEFT JOIN sandbox.current_refunds r ON r.charge_id = c.id
 WHERE c.customer_id = $1 GROUP BY c.id ORDER BY c.created_at, c.id"""

#: Of two with the same key, the one that stands.
_BY_KEY = """
SELECT * FROM sandbox.current_refunds WHERE idempotency_key = $1
 ORDER BY status = ANY($2), created_at LIMIT 1"""

_SINCE = """
SELECT * FROM sandbox.current_refunds
 WHERE created_at >= $1 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"""

#: Refusals where it may be our own refund that leaves too little: at a provider that forgot a key.
_LOOK_FIRST = frozenset(["charge_already_refunded", "amount_too_high"])


class SandboxPayments:
    """Fits `cases.ports.Payments`. The same key with the same parameters refunds once."""

    account = "sandbox"

    def __init__(self, pool: Pool, *, deadline_s: float = DEADLINE_S) -> None:
        self._pool = pool
        self._deadline_s = deadline_s

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        """The customer's charges with their refunds, oldest first; raises GatewayUnavailable."""
        rows = await self._ask(_CHARGES, customer_id)
        return [_charge(row) for row in rows]

    async def refund(self, intent: EffectIntent) -> Outcome:
        """Pay back part or all of a charge; an outcome that is not known is returned as such."""
        try:
            async with asyncio.timeout(self._deadline_s):
                outcome = _outcome(await ask_for_refund(self._pool, intent))
                if outcome.code in _LOOK_FIRST:
                    return await self._ours(intent) or outcome
                return outcome
        except NOT_AUTHORISED:
            return _outcome(Answer(status=401, retry_after=timedelta(seconds=60)))
        except TimeoutError:
            return _unknown("timed_out")
        except NO_ANSWER:
            return _unknown("no_answer")

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """The refund that carries the intent's key, or None; raises GatewayUnavailable."""
        rows = await self._ask(_BY_KEY, intent.key, list(ENDED_UNPAID))
        return Outcome(state=_state(rows[0]["status"]), receipt=rows[0]["id"]) if rows else None

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        """All refunds since then, ours or not, oldest first; raises GatewayUnavailable."""
        last: tuple[datetime, str] = (since, "")
        while rows := await self._ask(_SINCE, since, *last, PAGE):
            for row in rows:
                yield _refund(row)
            last = (rows[-1]["created_at"], rows[-1]["id"])

    async def _ask(self, query: str, *args: Any) -> list[asyncpg.Record]:
        return await ask(self._pool, query, *args, deadline_s=self._deadline_s)

    async def _ours(self, intent: EffectIntent) -> Outcome | None:
        """The same refund, where it was made before and is what leaves too little now."""
        rows = await self._pool.fetch(_BY_KEY, intent.key, list(ENDED_UNPAID))
        if not rows or rows[0]["parameters_hash"] != intent.parameters_digest:
            return None
        if rows[0]["status"] in ENDED_UNPAID:
            return None
        return Outcome(state=_state(rows[0]["status"]), receipt=rows[0]["id"])


#: What is not known by the answer's status alone: only looking, or asking later, tells.
_UNKNOWN = {
    401: "not_authorised",
    409: "in_progress",
    429: "rate_limited",
    500: "provider_error",
    503: "provider_error",
}


def _outcome(answer: Answer) -> Outcome:
    if answer.refund and answer.refund_status:
        return Outcome(state=_state(answer.refund_status), receipt=answer.refund)
    if answer.status in _UNKNOWN:
        return _unknown(_UNKNOWN[answer.status], answer.retry_after)
    return Outcome(state=EffectState.REJECTED, code=answer.code)


def _unknown(code: str, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(state=EffectState.UNKNOWN, code=code, retry_after=retry_after)


def _state(status: str) -> EffectState:
    """A status that we do not know is no success yet."""
    if status in ENDED_UNPAID:
        return EffectState.FAILED
    return EffectState.SUCCEEDED if status == "succeeded" else EffectState.PENDING


def _refund(row: asyncpg.Record) -> ProviderRefund:
    return ProviderRefund(
        receipt=row["id"],
        charge_id=row["charge_id"],
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        state=_state(row["status"]),
        created_at=row["created_at"],
        key=row["idempotency_key"],
    )


def _charge(row: asyncpg.Record) -> Charge:
    refunds = [
        RefundRecord(
            amount=Money(amount_minor=r["amount_minor"], currency=r["currency"]),
            created_at=r["created_at"],
            status=r["status"],
            receipt=r["id"],
            key=r["key"],
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
