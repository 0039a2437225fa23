"""What the sandbox's mail system has sent, for those who compare it with the ledger."""

from collections.abc import Sequence

from cases.breaches import SentMail
from gateways.sandbox.connection import Pool, ask

_SENT = """
SELECT case_id, kind, idempotency_key AS key, body FROM sandbox.mails WHERE case_id = ANY($1)
 ORDER BY created_at, id"""


async def sent_mails(pool: Pool, case_ids: Sequence[str]) -> list[SentMail]:
    """Every mail of these cases, oldest first; raises GatewayUnavailable."""
    return [SentMail(**dict(row)) for row in await ask(pool, _SENT, list(case_ids))]
