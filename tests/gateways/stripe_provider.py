"""The Stripe adapter as the contract suite sees it, over the pretended Stripe."""

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cases.billing import ChargeStatus
from cases.effects import EffectState, ProviderRefund
from cases.money import Money
from gateways.stripe.breaker import Breaker
from gateways.stripe.connection import Connection
from gateways.stripe.payments import StripePayments
from tests.gateways.stripe_fake import API_KEY, FakeStripe
from workers.composition import Stores

#: Long enough for a busy machine, and short enough to wait for.
DEADLINE = timedelta(seconds=2)

#: What Stripe says of a charge in each of our states.
FIELDS: dict[ChargeStatus, Mapping[str, Any]] = {
    ChargeStatus.CAPTURED: {},
    ChargeStatus.PENDING: {"captured": False},
    ChargeStatus.REVERSED: {"captured": False, "refunded": True},
    ChargeStatus.DISPUTED: {"disputed": True},
}
_STATES = {
    "succeeded": EffectState.SUCCEEDED,
    "pending": EffectState.PENDING,
    "failed": EffectState.FAILED,
}


class StripeFakeProvider:
    """Fits `tests.gateways.provider.Provider`."""

    name = "stripe-fake"
    lacks: frozenset[str] = frozenset()

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self._opened: list[StripePayments] = []
        self.payments = self._open(fake.url, API_KEY)

    async def customer(self) -> str:
        name = f"cus_{uuid4().hex[:14]}"
        self.fake.customers.add(name)
        return name

    async def charge(
        self,
        customer: str,
        *,
        minor: int = 4999,
        currency: str = "USD",
        status: ChargeStatus = ChargeStatus.CAPTURED,
        description: str = "",
        merchant: str = "Shop",
        script: Sequence[str] = (),
    ) -> str:
        return self.fake.add_charge(
            script,
            customer=customer,
            amount=_as_stripe_counts(minor, currency),
            currency=currency.lower(),
            description=description or None,
            metadata={"merchant": merchant},
            **FIELDS[status],
        )

    async def refunded_elsewhere(self, charge: str, minor: int) -> None:
        currency = self.fake.charges[charge]["currency"].upper()
        self.fake.add_refund(charge, _as_stripe_counts(minor, currency))

    async def advance(self, by: timedelta) -> None:
        self.fake.ahead += by

    async def refunds_of(self, charge: str) -> list[ProviderRefund]:
        return [_as_we_say(refund) for refund in self.fake.refunds_of(charge)]

    async def told_of(self, charge: str) -> list[str]:
        return [
            text
            for post in self.fake.posts
            if post.params.get("charge") == charge
            for name, text in post.params.items()
            if name not in ("charge", "amount")
        ]

    def unreachable(self) -> StripePayments:
        return self._open("http://127.0.0.1:1", API_KEY)

    def unauthorised(self) -> StripePayments:
        return self._open(self.fake.url, "sk_test_revokedRevokedRevoked")

    async def aclose(self) -> None:
        for payments in self._opened:
            await payments.aclose()

    def _open(self, url: str, api_key: str) -> StripePayments:
        # By this clock the breaker's pause is over at once: the suite does not wait for it.
        breaker = Breaker(clock=itertools.count(step=61).__next__)
        connection = Connection(api_key, url=url, deadline=DEADLINE, breaker=breaker)
        self._opened.append(StripePayments(connection, "acct_fake"))
        return self._opened[-1]


@asynccontextmanager
async def open_stripe_fake(stores: Stores) -> AsyncGenerator[StripeFakeProvider]:
    """A pretended Stripe of its own; it needs no store."""
    del stores
    async with FakeStripe.run() as fake:
        provider = StripeFakeProvider(fake)
        try:
            yield provider
        finally:
            await provider.aclose()


def _as_stripe_counts(minor: int, currency: str) -> int:
    """Written here again, and not taken from the adapter that is tried."""
    if currency in ("ISK", "UGX"):
        return minor * 100
    return minor // 100 if currency == "MGA" else minor


def _as_we_say(refund: dict[str, Any]) -> ProviderRefund:
    currency, amount = refund["currency"].upper(), refund["amount"]
    minor = {"ISK": amount // 100, "UGX": amount // 100, "MGA": amount * 100}.get(currency, amount)
    return ProviderRefund(
        receipt=refund["id"],
        charge_id=refund["charge"],
        amount=Money(amount_minor=minor, currency=currency),
        state=_STATES[refund["status"]],
        created_at=datetime.fromtimestamp(refund["created"], UTC),
        key=refund["metadata"].get("casekeeper_key"),
    )
