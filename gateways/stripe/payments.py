"""Payments at Stripe. Our customer ids are Stripe's own: `cus_...`."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cases.billing import Charge
from cases.effects import EffectIntent, EffectState, Outcome, ProviderRefund
from cases.errors import GatewayUnavailable
from gateways.stripe.amounts import to_stripe
from gateways.stripe.connection import Connection
from gateways.stripe.errors import NoAnswer, Refused
from gateways.stripe.objects import CASE, DIGEST, KEY, StripeCharge, StripeRefund

T = TypeVar("T", bound=BaseModel)

_log = logging.getLogger(__name__)


class StripePayments:
    """Fits `cases.ports.Payments`. The account is part of every refund's key: it never changes."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._stripe = connection
        self._name = account

    @property
    def account(self) -> str:
        return f"stripe:{self._name}"

    async def find_charges(self, customer_id: str) -> Sequence[Charge]:
        """The customer's charges with their refunds, oldest first; failed ones are left out."""
        try:
            found = await self._charges(customer_id)
            return [c.charge(await self._refunds_with(c), self._name) for c in found]
        except Refused as no:
            if no.code == "charge_not_found":  # there is no such customer
                return []
            raise _unavailable(no) from None
        except NoAnswer as no:
            raise _unavailable(no) from None

    async def refund(self, intent: EffectIntent) -> Outcome:
        """Pay back part or all of a charge; an outcome that is not known is returned as such."""
        if not intent.charge_id or intent.amount is None:
            return _rejected("charge_not_found")
        amount = to_stripe(intent.amount)
        if amount is None:
            return _rejected("amount_not_allowed")
        ends_at = self._stripe.ends_at()
        try:
            await self._check_charge(intent.charge_id, intent.amount.currency, ends_at)
            return await self._send(intent, intent.charge_id, amount, ends_at)
        except Refused as no:
            return await self._refused(intent, no, ends_at)
        except NoAnswer as no:
            return _unknown(no)

    async def look_up(self, intent: EffectIntent) -> Outcome | None:
        """The refund of the charge that carries the intent's key; one that stands comes first."""
        try:
            found = await self._find(intent)
        except (Refused, NoAnswer) as no:
            raise _unavailable(no) from None
        return found.outcome if found else None

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        """All refunds that were made since then, oldest first."""
        try:
            # Stripe lists the newest first and knows no other order.
            newest_first = await self._refunds({"created": {"gte": int(since.timestamp())}})
        except (Refused, NoAnswer) as no:
            raise _unavailable(no) from None
        for refund in reversed(newest_first):
            yield refund.provider_refund

    async def aclose(self) -> None:
        """Close the connections."""
        await self._stripe.aclose()

    async def _check_charge(self, charge_id: str, currency: str, ends_at: float) -> None:
        """Refuse what Stripe would do in its own way: raises Refused or NoAnswer.

        A refund takes the charge's currency, whatever we meant; and one of a charge that was not
        captured gives up the whole charge.
        """
        try:
            answer = await self._stripe.ask(
                lambda client: client.v1.charges.retrieve_async(charge_id), until=ends_at
            )
            charge = _read(StripeCharge, answer)
        except NoAnswer as no:
            # Which of them it was does not matter where no refund was asked for.
            raise NoAnswer("not_sent" if no.is_lost else no.code, no.retry_after) from None
        if charge.money.currency != currency:
            raise Refused("currency_differs")
        if not charge.was_captured:
            raise Refused("charge_not_captured")

    async def _send(
        self, intent: EffectIntent, charge_id: str, amount: int, ends_at: float
    ) -> Outcome:
        # An amount is always told: without one Stripe would pay back the whole charge.
        answer = await self._stripe.ask(
            lambda client: client.v1.refunds.create_async(
                {
                    "charge": charge_id,
                    "amount": amount,
                    "metadata": {
                        KEY: intent.key,
                        DIGEST: intent.parameters_digest,
                        CASE: intent.case_id,
                    },
                },
                {"idempotency_key": intent.key},
            ),
            until=ends_at,
        )
        refund = _read(StripeRefund, answer)
        if (refund.charge, refund.amount, refund.money.currency) != (
            charge_id,
            amount,
            intent.amount.currency if intent.amount else None,
        ):
            raise NoAnswer("unexpected_answer")
        return refund.outcome

    async def _refused(self, intent: EffectIntent, no: Refused, ends_at: float) -> Outcome:
        """The refusal, unless what it is about is that we had done it: Stripe forgets keys."""
        try:
            ours = await self._find(intent, ends_at)
        except (Refused, NoAnswer) as unclear:
            return _unknown(unclear)
        # The same key with other parameters: only the case that asks may differ.
        if ours and ours.noted(DIGEST) == intent.parameters_digest:
            return ours.outcome
        if no.code == "idempotency_error":
            _log.error("A refund's key was used with other parameters: %s.", intent.key)
        return _rejected(no.code)

    async def _find(self, intent: EffectIntent, until: float | None = None) -> StripeRefund | None:
        if not intent.charge_id:
            return None
        try:
            refunds = await self._refunds({"charge": intent.charge_id}, until)
        except Refused as no:
            if no.code == "charge_not_found":
                return None
            raise
        ours = [refund for refund in refunds if refund.noted(KEY) == intent.key]
        ours.sort(key=lambda refund: not refund.record.stands)
        return ours[0] if ours else None

    async def _charges(self, customer_id: str) -> list[StripeCharge]:
        params = {"customer": customer_id, "expand": ["data.refunds"]}
        pages = self._stripe.pages(
            lambda client, asked: client.v1.charges.list_async(asked), params
        )
        charges = [_read(StripeCharge, item) async for item in pages]
        # An empty customer id is no filter to Stripe: what is another customer's stays out.
        ours = [c for c in charges if c.customer == customer_id and c.status != "failed"]
        return ours[::-1]

    async def _refunds_with(self, charge: StripeCharge) -> list[StripeRefund]:
        """All refunds of a charge, oldest first; the first few came with it."""
        if charge.refunds is None or charge.refunds.has_more:
            return (await self._refunds({"charge": charge.id}))[::-1]
        return charge.refunds.data[::-1]

    async def _refunds(
        self, params: Mapping[str, Any], until: float | None = None
    ) -> list[StripeRefund]:
        pages = self._stripe.pages(
            lambda client, asked: client.v1.refunds.list_async(asked), params, until=until
        )
        return [_read(StripeRefund, item) async for item in pages]


def _read(kind: type[T], answer: object) -> T:
    try:
        return kind.model_validate(answer)
    except ValidationError:
        raise NoAnswer("unexpected_answer") from None


def _rejected(code: str) -> Outcome:
    return Outcome(state=EffectState.REJECTED, code=code)


def _unknown(no: Refused | NoAnswer) -> Outcome:
    return Outcome(state=EffectState.UNKNOWN, code=no.code, retry_after=no.retry_after)


def _unavailable(no: Refused | NoAnswer) -> GatewayUnavailable:
    error = GatewayUnavailable("Stripe", no.code)
    error.retry_after = no.retry_after
    return error
