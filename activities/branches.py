"""What a branch sees of the outside: the world as it was before its case acted."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from cases.billing import Charge
from cases.effects import EffectIntent, Outcome, ProviderRefund
from cases.ports import Payments

#: Of a case: the keys and receipts of its refunds (`cases.ports.EffectLedger.own_refunds`).
OwnRefunds = Callable[[str], Awaitable[frozenset[str]]]


class PaymentsAsBefore:
    """Fits `cases.ports.Payments`: the provider's records as if the case had paid nothing back.

    Else every branch of a paid case would find "already refunded". What others paid back stays.
    """

    def __init__(self, payments: Payments, own_refunds: OwnRefunds, case_id: str) -> None:
        self._payments = payments
        self._own_refunds = own_refunds
        self._case_id = case_id

    @property
    def account(self) -> str:
        return self._payments.account

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        """The charges without the case's own refunds, paid, failed or on their way."""
        # The ledger is asked second: a refund that the list shows was claimed before it was made.
        charges = await self._payments.find_charges(customer_id)
        own = await self._own_refunds(self._case_id)
        return [_without(own, charge) for charge in charges]

    async def refund(self, intent: EffectIntent) -> Outcome:
        """Nothing of a branch leaves: whoever calls this is wrong."""
        raise RuntimeError(f"{intent.case_id}@{intent.branch} may not pay: it is a branch")

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        return await self._payments.look_up(intent)

    def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        return self._payments.refunds_since(since)


def _without(own: frozenset[str], charge: Charge) -> Charge:
    others = tuple(r for r in charge.refunds if r.key not in own and r.receipt not in own)
    return charge.model_copy(update={"refunds": others})
