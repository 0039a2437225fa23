"""The customers' accounts, and their password reset mails."""

from cases.accounts import Account
from cases.effects import EffectIntent, EffectState, Outcome
from gateways.sandbox.connection import Pool
from gateways.sandbox.mail import send


class SandboxAccounts:
    """Fits `cases.ports.Accounts`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, customer_id: str) -> Account | None:
        """The account, or None for an unknown customer."""
        row = await self._pool.fetchrow(
            "SELECT * FROM sandbox.customers WHERE id = $1", customer_id
        )
        if row is None:
            return None
        return Account(
            customer_id=row["id"], email=row["email"], name=row["name"], locked=row["locked"]
        )

    async def send_reset_mail(self, intent: EffectIntent) -> Outcome:
        """Send a reset link to the address on record; a locked account gets none."""
        account = await self.find(intent.customer_id)
        if account is None or account.locked:
            return Outcome(state=EffectState.REJECTED, code="no_reset_for_this_account")
        return await send(self._pool, "reset", intent, "Use this link to choose a new password.")
