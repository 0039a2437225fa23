"""The Stripe adapter over Stripe's own test mode, where STRIPE_TEST_KEY names a key of it.

See https://docs.stripe.com/testing: cards that bring about a pending or a failing refund.
"""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.billing import ChargeStatus
from cases.effects import EffectState, ProviderRefund
from cases.money import Money
from gateways.stripe.connection import API_VERSION, Connection
from gateways.stripe.payments import StripePayments
from gateways.stripe.sdk import stripe
from gateways.stripe.transport import HttpClient
from workers.composition import Stores

_CAPTURES = {ChargeStatus.CAPTURED: "automatic", ChargeStatus.PENDING: "manual"}


class StripeTestProvider:
    """Fits `tests.gateways.provider.Provider`. Every charge is a new payment by a test card."""

    name = "stripe-test"
    #: Its faults and its clock are not ours, a hundred charges take minutes, and which currencies
    #: it takes is up to the account.
    lacks = frozenset({"script", "clock", "many", "currencies"})

    def __init__(self, key: str) -> None:
        self._http = HttpClient(30)
        self._client = stripe.StripeClient(
            key, stripe_version=API_VERSION, max_network_retries=2, http_client=self._http
        )
        self._opened: list[StripePayments] = []
        self.payments = self._open(key)

    async def customer(self) -> str:
        made = await self._client.v1.customers.create_async({"metadata": {"made_by": "casekeeper"}})
        return made.id

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
        if script or status not in _CAPTURES:
            pytest.skip(f"test mode has no charge that is {status} or follows a script")
        payment: Any = {
            "amount": minor,
            "currency": currency.lower(),
            "customer": customer,
            "capture_method": _CAPTURES[status],
            "confirm": True,
            "payment_method": "pm_card_visa",
            "payment_method_types": ["card"],
            "metadata": {"merchant": merchant},
        }
        if description:
            payment["description"] = description
        made = await self._client.v1.payment_intents.create_async(payment)
        return str(made.latest_charge)

    async def refunded_elsewhere(self, charge: str, minor: int) -> None:
        await self._client.v1.refunds.create_async({"charge": charge, "amount": minor})

    async def advance(self, by: timedelta) -> None:
        pytest.skip(f"nobody puts Stripe's clock ahead by {by}")

    async def refunds_of(self, charge: str) -> list[ProviderRefund]:
        page = await self._client.v1.refunds.list_async({"charge": charge, "limit": 100})
        return [_as_we_say(refund) for refund in reversed(page.data)]

    async def told_of(self, charge: str) -> list[str]:
        page = await self._client.v1.refunds.list_async({"charge": charge, "limit": 100})
        return [
            text for one in page.data if one.metadata for text in one.metadata.to_dict().values()
        ]

    def unreachable(self) -> StripePayments:
        return self._open("sk_test_nobodyListensThere", "http://127.0.0.1:1")

    def unauthorised(self) -> StripePayments:
        return self._open("sk_test_revokedRevokedRevoked")

    async def aclose(self) -> None:
        for payments in self._opened:
            await payments.aclose()
        await self._http.close_async()

    def _open(self, key: str, url: str = "") -> StripePayments:
        self._opened.append(StripePayments(Connection(key, url=url), "test-mode"))
        return self._opened[-1]


@asynccontextmanager
async def open_stripe_test(stores: Stores) -> AsyncGenerator[StripeTestProvider]:
    """Stripe itself, and only with a key of its test mode; it needs no store."""
    del stores
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key.startswith("sk_test_"):
        pytest.skip("STRIPE_TEST_KEY names no key of Stripe's test mode (sk_test_...)")
    provider = StripeTestProvider(key)
    try:
        yield provider
    finally:
        await provider.aclose()


def _as_we_say(refund: stripe.Refund) -> ProviderRefund:
    ours = refund.metadata.to_dict() if refund.metadata else {}
    states = {"succeeded": EffectState.SUCCEEDED, "failed": EffectState.FAILED}
    return ProviderRefund(
        receipt=refund.id,
        charge_id=str(refund.charge),
        amount=Money(amount_minor=refund.amount, currency=refund.currency),
        state=states.get(str(refund.status), EffectState.PENDING),
        created_at=datetime.fromtimestamp(refund.created, UTC),
        key=ours.get("casekeeper_key"),
    )
