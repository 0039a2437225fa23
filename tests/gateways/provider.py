"""What a payment provider's harness offers, so that one contract suite can be run over all.

A new provider adds its harness to PROVIDERS: then the suite runs over it, too.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

import pytest

from cases.billing import ChargeStatus, RefundOrder
from cases.effects import EffectIntent, ProviderRefund, refund_intent
from cases.money import Money
from cases.ports import Payments
from tests.gateways.sandbox_provider import open_sandbox
from tests.gateways.stripe_provider import open_stripe_fake
from tests.gateways.stripe_test_mode import open_stripe_test
from workers.composition import Stores


class Provider(Protocol):
    """A provider with nothing in it that this test knows of, and the adapter that is tried.

    The adapter's own deadline is short (about a second): the suite waits for it.
    """

    @property
    def name(self) -> str: ...

    @property
    def payments(self) -> Payments: ...

    @property
    def lacks(self) -> frozenset[str]:
        """Of "script", "clock", "unreachable", "currencies", "many": what cannot be tried here."""
        ...

    async def customer(self) -> str:
        """A new customer's id."""
        ...

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
        """A new charge's id; each call for a refund of it takes one word of the script."""
        ...

    async def refunded_elsewhere(self, charge: str, minor: int) -> None:
        """A refund that somebody made past us: it carries no key of ours."""
        ...

    async def advance(self, by: timedelta) -> None:
        """Put the provider's own clock forward."""
        ...

    async def refunds_of(self, charge: str) -> list[ProviderRefund]:
        """What is really there, oldest first; past the adapter where that can be."""
        ...

    async def told_of(self, charge: str) -> list[str]:
        """All texts that we gave the provider to keep with this charge's refunds."""
        ...

    def unreachable(self) -> Payments:
        """The same adapter, pointed at a port where nothing listens."""
        ...

    def unauthorised(self) -> Payments:
        """The same adapter with a key that is not (any more) allowed."""
        ...


#: 👉 A harness is opened with the session's stores, which it may ignore, and skips where it cannot
#: be had (`pytest.skip` for a key that is not in the environment).
PROVIDERS: dict[str, Callable[[Stores], AbstractAsyncContextManager[Provider]]] = {
    "sandbox": open_sandbox,
    "stripe-fake": open_stripe_fake,
    "stripe-test": open_stripe_test,
}


def needs(provider: Provider, *features: str) -> None:
    """Skip the test where the provider lacks one of the features."""
    missing = sorted(provider.lacks.intersection(features))
    if missing:
        pytest.skip(f"{provider.name} has no {' and no '.join(missing)}")


def refund_of(
    provider: Provider,
    charge: str,
    minor: int = 4999,
    currency: str = "USD",
    *,
    slot: int = 1,
    attempt: int = 1,
    customer: str = "cus_1",
) -> EffectIntent:
    """The intent to refund that much; another slot or attempt makes another key."""
    order = RefundOrder(
        charge_id=charge,
        amount=Money(amount_minor=minor, currency=currency),
        anchor_charge=charge,
        slot=slot,
        attempt=attempt,
    )
    return refund_intent(
        order,
        case_id="case_1",
        branch="main",
        customer_id=customer,
        provider_account=provider.payments.account,
    )
