"""The customers' accounts, and their password reset mails."""

from cases.accounts import Account
from cases.effects import EffectIntent, EffectKind, EffectState, Outcome
from cases.errors import GatewayUnavailable
from gateways.sandbox.connection import NO_ANSWER, Pool, ask
from gateways.sandbox.mail import find_mail, send

#: The same key changes nothing a second time: what it did may since have been undone by others.
_CHANGE = """
WITH new AS (
    INSERT INTO sandbox.account_changes (idempotency_key, kind, customer_id, case_id)
    SELECT $1, $2, $3, $4
     WHERE $2 <> 'unlock' OR EXISTS (SELECT 1 FROM sandbox.customers WHERE id = $3)
    ON CONFLICT DO NOTHING RETURNING *
), unlocked AS (
    UPDATE sandbox.customers c SET locked = false
      FROM new WHERE new.kind = 'unlock' AND c.id = new.customer_id
)
UPDATE sandbox.mails m SET revoked_at = new.created_at
  FROM new WHERE new.kind = 'reset_revoked' AND m.kind = 'reset' AND m.revoked_at IS NULL
   AND m.customer_id = new.customer_id AND m.case_id = new.case_id"""

#: With the cases whose reset mail's link still works: for a day, unless it was taken back.
_FIND = """
SELECT c.*, array(
    SELECT m.case_id FROM sandbox.mails m
     WHERE m.kind = 'reset' AND m.customer_id = c.id AND m.revoked_at IS NULL
       AND m.created_at > sandbox.now() - interval '24 hours'
     ORDER BY m.created_at) AS open_resets
  FROM sandbox.customers c WHERE c.id = $1"""

_CHANGED = "SELECT 1 FROM sandbox.account_changes WHERE idempotency_key = $1"


class SandboxAccounts:
    """Fits `cases.ports.Accounts`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, customer_id: str) -> Account | None:
        """The account, or None for an unknown customer."""
        rows = await ask(self._pool, _FIND, customer_id)
        if not rows:
            return None
        [row] = rows
        return Account(
            customer_id=row["id"],
            email=row["email"],
            name=row["name"],
            locked=row["locked"],
            open_resets=tuple(row["open_resets"]),
        )

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
        """Send a reset link to the address on record; a locked account gets none."""
        try:
            account = await self.find(intent.customer_id)
        except GatewayUnavailable:
            return Outcome(state=EffectState.UNKNOWN, code="no_answer")
        if account is None or account.locked:
            return Outcome(state=EffectState.REJECTED, code="no_reset_for_this_account")
        text = "Use this link to choose a new password."
        return await send(self._pool, "reset", intent, text, intent.customer_id)

    async def revoke_reset(self, intent: EffectIntent) -> Outcome:
        """Make the link of that customer's and case's reset mail useless, sent already or late."""
        return await self._change(intent)

    async def unlock(self, intent: EffectIntent) -> Outcome:
        """Unlock the account; there must be one."""
        return await self._change(intent)

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """What was done under the intent's key, or None; raises GatewayUnavailable."""
        if intent.kind is EffectKind.RESET_MAIL:
            return await find_mail(self._pool, intent)
        rows = await ask(self._pool, _CHANGED, intent.key)
        return _done(intent) if rows else None

    async def _change(self, intent: EffectIntent) -> Outcome:
        arguments = (intent.key, intent.kind.value, intent.customer_id, intent.case_id)
        try:
            await self._pool.execute(_CHANGE, *arguments)
            done = await self._pool.fetchval(_CHANGED, intent.key)
        except NO_ANSWER:
            return Outcome(state=EffectState.UNKNOWN, code="no_answer")
        return _done(intent) if done else Outcome(state=EffectState.REJECTED, code="no_account")


def _done(intent: EffectIntent) -> Outcome:
    """The receipt is made of the key, so a repeat gets the same one."""
    return Outcome(state=EffectState.SUCCEEDED, receipt=f"ac_{intent.key[:3]}{intent.key[4:25]}")
