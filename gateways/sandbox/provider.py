"""The pretended payment provider: what it does with a call for a refund, and what it answers.

It decides in one transaction, as a provider does out of our sight. Only after that can the answer
be lost on its way.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg

from cases.billing import ENDED_UNPAID, ChargeStatus
from cases.effects import EffectIntent
from cases.money import Money
from cases.records import Record
from gateways.sandbox.connection import Pool
from gateways.sandbox.script import Word

#: How long the provider repeats its answer to a key; afterwards the key is new to it.
KEYS_LIVE = timedelta(hours=24)
#: How long a refund that is decided later is pending.
SETTLES_AFTER = timedelta(hours=1)


class Answer(Record):
    """What the provider answers, with the status that it would have over HTTP."""

    status: int
    code: str | None = None
    refund: str | None = None
    refund_status: str | None = None
    retry_after: timedelta | None = None


#: Decided before the provider looks at the request, so no key remembers them.
_TURNED_AWAY = {
    Word.ERROR_503: Answer(status=503),
    Word.TOO_MANY: Answer(status=429, retry_after=timedelta(seconds=1)),
    Word.IN_PROGRESS: Answer(status=409, retry_after=timedelta(seconds=1)),
    Word.NOT_AUTHORISED: Answer(status=401, retry_after=timedelta(seconds=60)),
}

_REFUSED = {
    Word.DISPUTED: "charge_disputed",
    Word.TOO_HIGH: "amount_too_high",
    Word.NOT_CAPTURED: "charge_not_captured",
}

#: Whether the refund is decided later, and how.
_DECIDED_LATER = {Word.PENDING: "succeeded", Word.FAIL_LATER: "failed"}


async def ask_for_refund(pool: Pool, intent: EffectIntent) -> Answer:
    """Carry the request out as the charge's script says, and answer, or never."""
    async with pool.acquire() as connection, connection.transaction():
        charge = await connection.fetchrow(_LOCK, intent.charge_id, intent.key)
        word = await _next_word(connection, charge)
        answer = await _decide(connection, charge, intent, word)
    if word is Word.DROP:
        raise ConnectionResetError
    if word in (Word.HANG, Word.HANG_BEFORE):
        await asyncio.Event().wait()
    return answer


#: Calls with one key, and refunds of one charge, are decided one after another.
_LOCK = """
SELECT *, pg_advisory_xact_lock(hashtextextended($2, 0))
  FROM sandbox.charges WHERE id = $1 FOR UPDATE"""


async def _next_word(connection: Any, charge: asyncpg.Record | None) -> Word:
    if charge is None or not charge["script"]:
        return Word.OK
    await connection.execute(
        "UPDATE sandbox.charges SET script = script[2:] WHERE id = $1", charge["id"]
    )
    return Word(charge["script"][0])


_KNOWN = """
SELECT * FROM sandbox.idempotency_keys
 WHERE key = $1 AND created_at > sandbox.now() - $2::interval"""


async def _decide(
    connection: Any, charge: asyncpg.Record | None, intent: EffectIntent, word: Word
) -> Answer:
    """Answer before the key, by the key, or anew: then the key remembers it."""
    if word is Word.HANG_BEFORE:
        return Answer(status=408)
    if word in _TURNED_AWAY:
        return _TURNED_AWAY[word]
    known = await connection.fetchrow(_KNOWN, intent.key, KEYS_LIVE)
    if known:
        same = known["parameters_hash"] == intent.parameters_digest
        return Answer(**json.loads(known["response"])) if same else _refused("idempotency_error")
    if charge is None or intent.amount is None:
        return _refused("charge_not_found")
    if charge["currency"] != intent.amount.currency:
        return _refused("currency_differs")
    answer = await _carry_out(connection, charge, intent.amount, intent, word)
    await _remember(connection, intent, answer)
    return answer


async def _carry_out(
    connection: Any, charge: asyncpg.Record, amount: Money, intent: EffectIntent, word: Word
) -> Answer:
    if word is Word.ERROR_500:
        return Answer(status=500)
    if word is Word.ALREADY_REFUNDED:
        await _refund_by_somebody_else(connection, charge)
    code = _REFUSED.get(word) or await _refusal(connection, charge, amount)
    if code:
        return _refused(code)
    return await _pay_back(connection, charge, amount, intent, _DECIDED_LATER.get(word))


async def _refusal(connection: Any, charge: asyncpg.Record, amount: Money) -> str | None:
    if charge["status"] == ChargeStatus.DISPUTED:
        return "charge_disputed"
    if charge["status"] != ChargeStatus.CAPTURED:
        return "charge_not_captured"
    left = charge["amount_minor"] - await _refunded(connection, charge)
    if left <= 0:
        return "charge_already_refunded"
    return "amount_too_high" if amount.amount_minor > left else None


async def _refunded(connection: Any, charge: asyncpg.Record) -> int:
    """What was paid back or is on its way: a refund that failed is money back."""
    refunded: int = await connection.fetchval(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM sandbox.current_refunds "
        "WHERE charge_id = $1 AND status <> ALL($2)",
        charge["id"],
        list(ENDED_UNPAID),
    )
    return refunded


_PAY_BACK = """
INSERT INTO sandbox.refunds
    (id, charge_id, amount_minor, currency, status, settles_at, settles_as,
     idempotency_key, parameters_hash)
VALUES ($1, $2, $3, $4, $5, sandbox.now() + $6::interval, $7, $8, $9)"""


async def _pay_back(
    connection: Any, charge: asyncpg.Record, amount: Money, intent: EffectIntent, later: str | None
) -> Answer:
    refund = await _new_id(connection, intent.key)
    status = "pending" if later else "succeeded"
    await connection.execute(
        _PAY_BACK, refund, charge["id"], amount.amount_minor, amount.currency, status,
        SETTLES_AFTER if later else None, later, intent.key, intent.parameters_digest,
    )  # fmt: skip
    return Answer(status=200, refund=refund, refund_status=status)


async def _new_id(connection: Any, key: str) -> str:
    """Made of the key, and counted: a provider that forgot a key pays again if asked again."""
    earlier = await connection.fetchval(
        "SELECT count(*) FROM sandbox.refunds WHERE idempotency_key = $1", key
    )
    return f"re_{key[4:28]}" + (f"_{earlier + 1}" if earlier else "")


async def _refund_by_somebody_else(connection: Any, charge: asyncpg.Record) -> None:
    """All that is left of the charge, by a person at the provider, say: no key of ours."""
    left = charge["amount_minor"] - await _refunded(connection, charge)
    if left > 0:
        await connection.execute(
            "INSERT INTO sandbox.refunds (id, charge_id, amount_minor, currency, status) "
            "VALUES ('re_other_' || gen_random_uuid(), $1, $2, $3, 'succeeded')",
            charge["id"],
            left,
            charge["currency"],
        )


_REMEMBER = """
INSERT INTO sandbox.idempotency_keys (key, parameters_hash, response) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE
SET parameters_hash = EXCLUDED.parameters_hash, response = EXCLUDED.response,
    created_at = EXCLUDED.created_at"""


async def _remember(connection: Any, intent: EffectIntent, answer: Answer) -> None:
    response = answer.model_dump_json(exclude_none=True)
    await connection.execute(_REMEMBER, intent.key, intent.parameters_digest, response)


def _refused(code: str) -> Answer:
    return Answer(status=400, code=code)
