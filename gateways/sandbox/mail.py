"""A mail system: what was sent is a row; the same key sends once."""

from typing import Any

from cases.effects import EffectIntent, EffectState, Outcome
from gateways.sandbox.connection import NO_ANSWER, Pool

_SEND = """
INSERT INTO sandbox.mails (id, kind, customer_id, case_id, body, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (idempotency_key) DO NOTHING"""


class SandboxMail:
    """Fits `cases.ports.Mail`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def send_answer(self, intent: EffectIntent) -> Outcome:
        """Send the answer to the customer of the case."""
        return await send(self._pool, "answer", intent, intent.content)


async def send(connection: Any, kind: str, intent: EffectIntent, body: str) -> Outcome:
    """Send one mail; the receipt is made of the key, so a repeat gets the same one."""
    receipt = f"ml_{intent.key[4:28]}"
    try:
        await connection.execute(
            _SEND, receipt, kind, intent.customer_id, intent.case_id, body, intent.key
        )
    except NO_ANSWER:
        return Outcome(state=EffectState.UNKNOWN, code="no_answer")
    return Outcome(state=EffectState.SUCCEEDED, receipt=receipt)
