"""Stripe, pretended: its charges, refunds and errors over HTTP, so that the adapter itself runs.

Idempotency is as https://docs.stripe.com/api/idempotent_requests tells it.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.gateways.stripe_answers import (
    BEFORE_THE_KEY,
    INSTEAD,
    REFUSED,
    Problem,
    missing,
    refused,
    too_high,
)
from tests.gateways.stripe_http import Hangup, Request, Response, serve

API_KEY = "sk_test_fake51HxYzSecretOfTheFake"
KEYS_LIVE = timedelta(hours=24)
SETTLES_AFTER = timedelta(hours=1)
_UNPAID = ("failed", "canceled")

Json = dict[str, Any]


@dataclass
class Stored:
    """What a key remembers."""

    request: tuple[str, dict[str, str]]
    answer: Response
    at: datetime


@dataclass
class FakeStripe:
    """One account. Everything that it was asked lies in `requests`."""

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    charges: dict[str, Json] = field(default_factory=dict[str, Json])
    refunds: list[Json] = field(default_factory=list[Json])
    scripts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    customers: set[str] = field(default_factory=set[str])
    ahead: timedelta = timedelta(0)
    #: What the next requests, of any kind, come to instead of being carried out.
    next_words: list[str] = field(default_factory=list[str])
    _keys: dict[str, Stored] = field(default_factory=dict[str, Stored])
    _in_progress: set[str] = field(default_factory=set[str])
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @asynccontextmanager
    async def run(cls) -> "AsyncGenerator[FakeStripe]":
        """A new account behind an address of its own."""
        fake = cls()
        async with serve(fake._answer) as fake.url:
            yield fake

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    def add_charge(self, script: Sequence[str] = (), **fields: Any) -> str:
        """Put a charge there; amounts as Stripe counts them."""
        charge_id = f"ch_fake_{next(self._numbers)}"
        amount = fields.get("amount", 4999)
        self.charges[charge_id] = {
            "id": charge_id,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if fields.get("captured", True) else 0,
            "billing_details": {"email": "sam@example.com", "name": "Sam Example"},
            "calculated_statement_descriptor": "FAKE SHOP",
            "captured": True,
            "created": int(self.now.timestamp()),
            "currency": "usd",
            "customer": None,
            "description": None,
            "disputed": False,
            "livemode": False,
            "metadata": {},
            "refunded": False,
            "status": "succeeded",
            **fields,
        }
        self.scripts[charge_id] = list(script)
        return charge_id

    def add_refund(
        self,
        charge_id: str,
        amount: int,
        metadata: Mapping[str, str] | None = None,
        later: str | None = None,
    ) -> Json:
        """Put a refund there; with `later` it is pending and becomes that."""
        refund = {
            "id": f"re_fake_{next(self._numbers)}",
            "object": "refund",
            "amount": amount,
            "charge": charge_id,
            "created": int(self.now.timestamp()),
            "currency": self.charges[charge_id]["currency"],
            "metadata": dict(metadata or {}),
            "reason": None,
            "status": "pending" if later else "succeeded",
            "_later": (self.now + SETTLES_AFTER, later) if later else None,
        }
        self.refunds.append(refund)
        return refund

    def refunds_of(self, charge_id: str) -> list[Json]:
        """Oldest first, each with the status that it has by now."""
        for refund in self.refunds:
            if refund["_later"] and refund["_later"][0] <= self.now:
                refund["status"], refund["_later"] = refund["_later"][1], None
        return [refund for refund in self.refunds if refund["charge"] == charge_id]

    def left_of(self, charge_id: str) -> int:
        """What is not paid back nor on its way."""
        stands = [r["amount"] for r in self.refunds_of(charge_id) if r["status"] not in _UNPAID]
        whole: int = self.charges[charge_id]["amount"]
        return whole - sum(int(amount) for amount in stands)

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        try:
            if request.headers.get("authorization") != f"Bearer {API_KEY}":
                raise BEFORE_THE_KEY["401"]
            if self.next_words:
                await _instead(self.next_words.pop(0))
            return await self._route(request)
        except Problem as problem:
            return problem.response

    async def _route(self, request: Request) -> Response:
        match (request.method, request.path.strip("/").split("/")):
            case ("POST", ["v1", "refunds"]):
                return await self._post_refund(request)
            case ("GET", ["v1", "refunds"]):
                return self._list(request, map(_visible, self._refunds_asked_for(request)))
            case ("GET", ["v1", "refunds", refund_id]):
                return _ok(_visible(_by_id(self.refunds, refund_id, "refund")))
            case ("GET", ["v1", "charges"]):
                return self._list(request, self._charges_asked_for(request))
            case ("GET", ["v1", "charges", charge_id]):
                return _ok(self._charge(_by_id(self.charges.values(), charge_id, "charge")))
            case _:
                raise refused("Unrecognized request URL.", status=404)

    async def _post_refund(self, request: Request) -> Response:
        script = self.scripts.get(request.params.get("charge", ""), [])
        word = script.pop(0) if script else "ok"
        if word in BEFORE_THE_KEY or word == "hang_before":
            await _instead(word)
        answer = await self._once(request, word)
        if word in INSTEAD or word in ("drop", "hang"):
            await _instead(word)
        return answer

    async def _once(self, request: Request, word: str) -> Response:
        """Carry it out, or repeat what the same key got before."""
        key = request.headers.get("idempotency-key", "")
        stored = self._keys.get(key)
        if stored and self.now - stored.at < KEYS_LIVE:
            if stored.request != (request.path, request.params):
                raise refused("Keys can only be used with the same parameters.", kind="idempotency")
            replayed = {**stored.answer.headers, "Idempotent-Replayed": "true"}
            return Response(stored.answer.status, stored.answer.body, replayed)
        if key in self._in_progress:
            raise BEFORE_THE_KEY["409"]
        self._in_progress.add(key)
        try:
            await asyncio.sleep(0.005)
            return self._carry_out(request, word, key)
        finally:
            self._in_progress.discard(key)

    def _carry_out(self, request: Request, word: str, key: str) -> Response:
        charge = _by_id(self.charges.values(), request.params.get("charge", ""), "charge")
        amount = _amount(request.params.get("amount"), charge["currency"])
        try:
            answer = _ok(_visible(self._refund(charge, amount, request.nested("metadata"), word)))
        except Problem as problem:
            answer = problem.response
        self._keys[key] = Stored((request.path, request.params), answer, self.now)
        return answer

    def _refund(
        self, charge: Json, amount: int | None, metadata: Mapping[str, str], word: str
    ) -> Json:
        left = self.left_of(charge["id"])
        if word in REFUSED:
            raise REFUSED[word]
        if word == "already_refunded" and left:
            self.add_refund(charge["id"], left)
            left = 0
        if charge["disputed"]:
            raise REFUSED["disputed"]
        if left == 0:
            raise refused("It has already been refunded.", "charge_already_refunded")
        if (amount or left) > left:
            raise too_high()
        if not charge["captured"]:  # as at Stripe: the authorisation is given up
            charge["refunded"] = True
        later = {"pending": "succeeded", "fail_later": "failed"}.get(word)
        return self.add_refund(charge["id"], amount or left, metadata, later)

    def _refunds_asked_for(self, request: Request) -> list[Json]:
        charge_id = request.params.get("charge")
        if charge_id is not None:
            _by_id(self.charges.values(), charge_id, "charge")
        since = int(request.nested("created").get("gte", 0))
        found = [r for one in self.charges for r in self.refunds_of(one) if r["created"] >= since]
        found.sort(key=self.refunds.index)
        return [r for r in found if charge_id in (None, r["charge"])]

    def _charges_asked_for(self, request: Request) -> list[Json]:
        customer = request.params.get("customer")
        if customer and customer not in self.customers:
            raise missing("customer", customer, status=400)
        found = [c for c in self.charges.values() if customer in (None, "", c["customer"])]
        expand = "data.refunds" in request.nested("expand").values()
        return [self._charge(charge, expand=expand) for charge in found]

    def _charge(self, charge: Json, *, expand: bool = False) -> Json:
        refunds = [_visible(refund) for refund in reversed(self.refunds_of(charge["id"]))]
        refunded = charge["amount"] - self.left_of(charge["id"])
        whole = charge["refunded"] or refunded == charge["amount"]
        shown = {"amount_refunded": refunded, "refunded": whole}
        some = {"object": "list", "data": refunds[:10], "has_more": len(refunds) > 10}
        return {**charge, **shown, **({"refunds": some} if expand else {})}

    def _list(self, request: Request, oldest_first: Iterable[Json]) -> Response:
        """A page of them, newest first."""
        limit = int(request.params.get("limit", "10"))
        if not 1 <= limit <= 100:
            raise refused("Invalid limit.", "parameter_invalid_integer", "limit")
        items = list(oldest_first)[::-1]
        after = request.params.get("starting_after")
        start = 0
        if after:
            start = items.index(_by_id(items, after, "starting_after")) + 1
        more = len(items) > start + limit
        page = items[start : start + limit]
        return _ok({"object": "list", "url": request.path, "data": page, "has_more": more})


async def _instead(word: str) -> None:
    """No answer, or none that helps."""
    if word == "drop":
        raise Hangup
    if word.startswith("hang"):
        await asyncio.sleep(3600)
    raise {**BEFORE_THE_KEY, **REFUSED, **INSTEAD}[word]


def _amount(text: str | None, currency: str) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise refused("Invalid positive integer.", "parameter_invalid_integer", "amount")
    step = {"isk": 100, "ugx": 100, "bhd": 10, "kwd": 10, "jod": 10, "omr": 10, "tnd": 10}
    if int(text) % step.get(currency, 1):
        raise refused("Invalid amount.", "invalid_charge_amount_no_decimal_compatible", "amount")
    return int(text)


def _by_id(objects: Iterable[Json], wanted: str, kind: str) -> Json:
    for one in objects:
        if one["id"] == wanted:
            return one
    raise missing(kind, wanted)


def _visible(refund: Json) -> Json:
    return {name: value for name, value in refund.items() if not name.startswith("_")}


def _ok(body: Json) -> Response:
    return Response(200, json.dumps(body).encode(), {"Request-Id": "req_fake"})
