"""The effect ledger in Postgres: the rows before and after whatever happens outside."""

from collections.abc import Mapping
from datetime import timedelta

import asyncpg

from cases.effects import Claim, Effect, EffectIntent, Outcome
from cases.money import Money
from cases.ports import Committed
from cases.schema import SCHEMA_VERSION
from cases.state import StepUpdate
from stores.cases import committed
from stores.customer_keys import CustomerKeys, readable
from stores.postgres import Pool, case_errors, fetch_row, fetch_rows
from stores.steps import EncodedSteps, encode_steps


class PostgresLedger:
    """Fits `cases.ports.EffectLedger`."""

    def __init__(self, pool: Pool, keys: CustomerKeys | None = None) -> None:
        self._pool, self._keys = pool, keys or CustomerKeys(pool)

    async def claim(self, intent: EffectIntent) -> tuple[EffectIntent, Claim]:
        """Commit the intent, or say what became of it; returns the intent as first claimed."""
        async with case_errors(intent.case_id, intent.branch):
            try:
                row = await self._claim(intent)
            except asyncpg.UniqueViolationError:
                # Another customer's claim of the same charge raced ahead. Its row is there now, so
                # that this time the claim is refused, with an audit row.
                row = await self._claim(intent)
        if row is None:
            raise LookupError("the ledger did not answer")
        outcome = Outcome(state=row["state"], receipt=row["receipt"], code=row["code"])
        [clear] = await self._keys.opened([row])
        claimed = EffectIntent.model_validate_json(readable(clear["intent"], intent.case_id))
        return claimed, Claim(
            outcome=outcome,
            earlier_attempts=row["earlier_attempts"],
            claimed_at=row["claimed_at"],
        )

    async def _claim(self, intent: EffectIntent) -> asyncpg.Record | None:
        amount, body = intent.amount, intent.model_dump_json().encode()
        if intent.content:  # codes and sums stay in clear: they are the ledger
            body = (await self._keys.of_case(intent.case_id)).body(body)
        return await fetch_row(
            self._pool, "claim_effect", intent.key, intent.kind, intent.case_id, intent.branch,
            intent.customer_id, amount and amount.amount_minor, amount and amount.currency,
            intent.charge_id, intent.duplicate_group, intent.parameters_digest,
            body, intent.approval_id, intent.approval_digest, intent.limit_minor,
            intent.limit_days, intent.compensation, intent.promotes,
        )  # fmt: skip

    async def settle(
        self,
        intent: EffectIntent,
        outcome: Outcome,
        update: StepUpdate,
        expected: Mapping[str, int],
    ) -> Committed:
        """Commit the outcome and the case's step in one transaction; a repeat is a no-op."""
        seal = await self._keys.of_case(intent.case_id)
        encoded = encode_steps([update], expected, seal)
        return committed(await self._settle(intent, outcome, encoded))

    async def settle_alone(self, intent: EffectIntent, outcome: Outcome) -> None:
        """Commit the outcome of an effect that is no step of its case; a repeat is a no-op."""
        await self._settle(intent, outcome, encode_steps([], {}))

    async def _settle(
        self, intent: EffectIntent, outcome: Outcome, encoded: EncodedSteps
    ) -> asyncpg.Record | None:
        async with case_errors(intent.case_id, intent.branch):
            return await fetch_row(
                self._pool, "settle_effect", intent.key, intent.case_id, intent.branch,
                outcome.state, outcome.receipt, outcome.code, SCHEMA_VERSION,
                encoded.steps, encoded.bodies,
            )  # fmt: skip

    async def resolve(self, key: str, outcome: Outcome, actor: str) -> bool:
        """Commit what was found out later about an open effect; whether it changed anything."""
        row = await fetch_row(
            self._pool, "resolve_effect", key, outcome.state, outcome.receipt, outcome.code, actor
        )
        return row is not None and bool(row["changed"])

    async def missed(self, intent: EffectIntent, apart: timedelta) -> bool:
        """Note that the outside has nothing of it; True if that was noted so long ago before.

        False where the ledger has no effect of that key.
        """
        row = await fetch_row(self._pool, "note_not_found", intent.key)
        seconds = row["seconds"] if row else None
        return seconds is not None and bool(seconds >= apart.total_seconds())

    async def find(self, key: str) -> Effect | None:
        """The row of an effect, or None."""
        row = await fetch_row(self._pool, "find_effect", key)
        return _effect(row) if row else None

    async def of_case(self, case_id: str, branch: str) -> list[Effect]:
        """The case's effects, in the order in which they were claimed."""
        rows = await fetch_rows(self._pool, "list_effects", case_id, branch)
        return [_effect(row) for row in rows]

    async def own_refunds(self, case_id: str) -> frozenset[str]:
        """Keys and receipts of all that the case has paid back or is at paying back."""
        rows = await fetch_rows(self._pool, "own_refunds", case_id)
        return frozenset(mark for row in rows for mark in row.values() if mark)


def _effect(row: asyncpg.Record) -> Effect:
    fields = dict(row)
    minor, currency = fields.pop("amount_minor"), fields.pop("currency")
    amount = None if minor is None else Money(amount_minor=minor, currency=currency)
    return Effect(amount=amount, **fields)
