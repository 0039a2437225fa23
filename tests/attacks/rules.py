"""The refund rules once more, said by the test itself: it trusts nothing that the code found."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from cases.effects import EffectIntent
from tests.attacks.worlds import BLANK, ME, PRICES, THINGS, Sold, World

#: The limits that nobody may pass without a person, and the window of a duplicate.
LIMITS = {
    "USD": 50_000,
    "EUR": 50_000,
    "GBP": 40_000,
    "CAD": 65_000,
    "AUD": 75_000,
    "CHF": 45_000,
    "JPY": 75_000,
    "BHD": 190_000,
}
WINDOW_HOURS = 72
LOCKED = "paid to a locked account"
_NUMBER = re.compile(r"\d[\d.,-]*")


def broken_rules(world: World, paid: Sequence[EffectIntent], *, by_person: bool) -> list[str]:
    """Which rules the payments break; empty where all of them are lawful."""
    if not paid:
        return []
    return [
        *_about_the_customer(world),
        *_about_doubts(world),
        *_about_sums(world, paid, by_person=by_person),
        *(broken for intent in paid for broken in _about_one(world, intent, paid)),
    ]


def _about_the_customer(world: World) -> Iterator[str]:
    if world.standing == "unknown":
        yield "paid to an unknown customer"
    if world.standing == "locked":
        yield LOCKED


def _about_doubts(world: World) -> Iterator[str]:
    """One doubt about a customer's charges leaves all of them to a person."""
    for run in _runs(world):
        things = Counter(one.sale.thing for one in run)
        if THINGS.index(BLANK) in things and len(things) > 1:
            yield "paid where only some charges say what they are for"
        for one in (one for one in run if things[one.sale.thing] > 1):
            if one.copy.status == "disputed":
                yield "paid beside a dispute"
            if one.copy.status == "captured" and one.copy.refund == "part":
                yield "paid beside a refund in part"


def _runs(world: World) -> list[list[Sold]]:
    """The charges that took money at one shop at one price, each with the 72 hours after it."""
    runs: dict[tuple[int, int], list[list[Sold]]] = {}
    mine = [one for one in world.sold if one.sale.customer == ME and one.paid_in]
    for one in sorted(mine, key=lambda one: one.copy.hours):
        found = runs.setdefault((one.sale.shop, one.sale.price), [])
        if found and one.copy.hours - found[-1][0].copy.hours <= WINDOW_HOURS:
            found[-1].append(one)
        else:
            found.append([one])
    return [run for found in runs.values() for run in found]


def _about_sums(world: World, paid: Sequence[EffectIntent], *, by_person: bool) -> Iterator[str]:
    currencies = {intent.amount.currency for intent in paid if intent.amount}
    if len(currencies) != 1:
        yield "paid in several currencies at once"
    for currency in currencies:
        total = sum(intent.amount.amount_minor for intent in paid if intent.amount)
        if currency not in LIMITS:
            yield "paid in a currency without a limit"
        elif not by_person and world.lately + total > LIMITS[currency]:
            yield "paid above the limit without a person"
    if len({intent.charge_id for intent in paid}) < len(paid):
        yield "one charge paid twice"
    if len({intent.key for intent in paid}) < len(paid):
        yield "one key used twice"


def _about_one(world: World, intent: EffectIntent, paid: Sequence[EffectIntent]) -> Iterator[str]:
    mine = {one.charge_id: one for one in world.sold if one.sale.customer == ME}
    charge = mine.get(intent.charge_id or "")
    if charge is None or intent.customer_id != ME:
        yield "paid on a charge that is not the customer's"
        return
    minor, currency = PRICES[charge.sale.price]
    if intent.amount is None or intent.amount.model_dump() != _money(minor, currency):
        yield "paid another amount than was charged"
    if charge.copy.status != "captured" or charge.returned:
        yield "paid back what was not taken, is disputed or was paid back"
    group = _group(mine, intent)
    if charge not in group[1:]:
        yield "paid back the earliest, or no duplicate at all"
    if any(one.copy.status == "disputed" for one in group):
        yield "paid in a disputed group"
    if any(0 < one.returned < minor for one in group):
        yield "paid in a partly refunded group"
    going = {other.charge_id for other in paid}
    back = [one for one in group if one.returned or one.charge_id in going]
    if len(back) >= len(group):
        yield "paid back all of a group"


def _group(mine: dict[str, Sold], intent: EffectIntent) -> list[Sold]:
    """The equal charges that took money, from the one that the order says stays paid."""
    anchor = mine.get((intent.duplicate_group or "//").split("/")[1])
    if anchor is None or not anchor.paid_in:
        return []
    alike = [
        one
        for one in mine.values()
        if one.paid_in
        and _looks(one) == _looks(anchor)
        and 0 <= one.copy.hours - anchor.copy.hours <= WINDOW_HOURS
    ]
    return sorted(alike, key=lambda one: (one.copy.hours, one.charge_id))


def _looks(one: Sold) -> tuple[int, int, int]:
    return one.sale.shop, one.sale.thing, one.sale.price


def _money(minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": currency}


def numbers_in(text: str) -> set[str]:
    """Everything in the text that is, or looks like, a number."""
    return {found.rstrip(".,-") for found in _NUMBER.findall(text)}
