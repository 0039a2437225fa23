"""A mail system: what was sent is a row; the same key sends once."""

from typing import Any

from cases.effects import EffectIntent, EffectState, Outcome
from gateways.sandbox.connection import NO_ANSWER, Pool, ask

#: A reset mail that comes late, after its link was taken back, is useless from the start.
_SEND = """
INSERT INTO sandbox.mails (id, kind, customer_id, case_id, body, idempotency_key, revoked_at)
SELECT $1, $2, $3, $4, $5, $6,
       (SELECT min(created_at) FROM sandbox.account_changes
         WHERE $2 = 'reset' AND kind = 'reset_revoked' AND customer_id = $3 AND case_id = $4)
ON CONFLICT DO NOTHING"""


class SandboxMail:
    """Fits `cases.ports.Mail`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        """Send the answer to the customer of the case."""
        return await send(self._pool, "answer", intent, intent.content, intent.customer_id)

    async def send_notice(self, intent: EffectIntent) -> Outcome:
        """Tell the approvers that something waits for them."""
        return await send(self._pool, "notice", intent, intent.content, None)

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """The mail that carries the intent's key, or None; raises GatewayUnavailable."""
        return await find_mail(self._pool, intent)


async def send(
    connection: Any, kind: str, intent: EffectIntent, body: str, customer_id: str | None
) -> Outcome:
    """Send one mail; the receipt is made of the key, so a repeat gets the same one.

    Both are unique: of two sends at once the second may meet either index first.
    """
    receipt = f"ml_{intent.key[4:28]}"
    try:
        await connection.execute(
            _SEND, receipt, kind, customer_id, intent.case_id, body, intent.key
        )
    except NO_ANSWER:
        return Outcome(state=EffectState.UNKNOWN, code="no_answer")
    return Outcome(state=EffectState.SUCCEEDED, receipt=receipt)


async def find_mail(pool: Pool, intent: EffectIntent) -> Outcome | None:
    """The mail that was sent under the intent's key, or None."""
    rows = await ask(pool, "SELECT id FROM sandbox.mails WHERE idempotency_key = $1", intent.key)
    return Outcome(state=EffectState.SUCCEEDED, receipt=rows[0]["id"]) if rows else None
