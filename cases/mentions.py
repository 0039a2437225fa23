"""What a customer names: charges, orders, amounts and days, found in the text by code.

A model is never asked for these. Card numbers, IBANs, phone numbers and mail addresses are nothing
that is named: they are taken out before anything is looked for.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial

from cases.billing import Charge
from cases.mentioned_amounts import CURRENCY_AFTER, amounts
from cases.mentioned_dates import dates
from cases.private_numbers import FOLDED, blanked, private_numbers
from cases.records import Record

#: More than anyone names in one message; those after it are not looked at.
MAX_MENTIONS = 50

#: A bank's day and ours may differ by one.
_DAY = timedelta(days=1)


class MentionKind(StrEnum):
    CHARGE = "charge"
    ORDER = "order"
    AMOUNT = "amount"
    DATE = "date"


class Mention(Record):
    """One thing that is named: text[start:end] are the customer's own words for it."""

    kind: MentionKind
    #: "ch_2", "A-123", "49.99 USD" or "49.99", "2026-11-03".
    value: str
    start: int
    end: int


def find_mentions(text: str, received_at: datetime) -> tuple[Mention, ...]:
    """All that the text names, in its order. "Yesterday" is the one before the text arrived."""
    today = received_at.astimezone(UTC).date()
    rest = text.translate(FOLDED)
    found: list[Mention] = []
    # Each looks at what those before it left over.
    for kind, find in (
        (None, _mail_addresses),
        (MentionKind.DATE, partial(dates, today=today)),
        (None, _private_numbers),
        (MentionKind.CHARGE, _charge_ids),
        (MentionKind.ORDER, _orders),
        (MentionKind.AMOUNT, amounts),
    ):
        spans = list(_first(find(rest)))
        rest = blanked(rest, spans)
        if kind:
            found += [
                Mention(kind=kind, value=value, start=start, end=end)
                for start, end, value in spans
                if value
            ]
    return tuple(sorted(found, key=lambda mention: mention.start)[:MAX_MENTIONS])


def meant(mentions: Iterable[Mention], charges: Sequence[Charge]) -> tuple[str, ...]:
    """The ids of those charges that the customer names, in the order given.

    By id; if no id fits, by an order number in the description; if none fits either, by amount and
    day. Of several amounts or days one must fit; an amount and a day must both fit. A day alone
    says nothing: that something was noticed yesterday is no word about when it was paid.
    """
    named: dict[MentionKind, set[str]] = {kind: set() for kind in MentionKind}
    for mention in mentions:
        named[mention.kind].add(mention.value)
    by_id = [c for c in charges if c.charge_id in named[MentionKind.CHARGE]]
    by_order = [c for c in charges if named[MentionKind.ORDER] & _codes(c.description)]
    picked = (
        by_id or by_order or _by_facts(charges, named[MentionKind.AMOUNT], named[MentionKind.DATE])
    )
    return tuple(charge.charge_id for charge in picked)


def _by_facts(charges: Sequence[Charge], said: set[str], days: set[str]) -> list[Charge]:
    return [
        charge
        for charge in charges
        if said & {str(charge.amount), charge.amount.decimal()}
        and (not days or any(_near(charge, date.fromisoformat(day)) for day in days))
    ]


def _near(charge: Charge, day: date) -> bool:
    return abs(charge.created_at.astimezone(UTC).date() - day) <= _DAY


_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w.-]+")
_CHARGE_ID = re.compile(
    r"(?<![A-Za-z0-9_-])(?:ch|py|pi)_[A-Za-z0-9]++(?:[_-][A-Za-z0-9]++)*+(?![A-Za-z0-9_])"
)
_MAX_CHARGE_ID = 64

_CODE = "[A-Z0-9]{1,24}+(?:[-/][A-Z0-9]{1,24}+){0,5}+"
_ORDER = re.compile(
    r"(?<![A-Z0-9_])(?:orders?|invoices?|receipts?|(?:bestell|auftrag|rechnung|beleg)[a-z]{0,10}"
    r"|commande|facture|reçu|pedido|orden|factura|recibo)(?![a-z])"
    r"(?:[ -]?(?:number|num|no|nr|numéro|número|núm|n°|nº|id|code)(?![a-z]))?"
    rf"[ .:#]{{0,4}}(?:(?:is|ist|est|es)[ :#]{{1,3}})?(?P<code>(?=[A-Z/-]{{0,12}}[0-9]){_CODE})"
    r"(?![A-Z0-9_-]|[.,:/][0-9]|[€%]"
    # Not a number of times or days, nor an amount: "I order 3 times", "my order 50 USD".
    r"| (?:times|items|days?|weeks?|months?|hours?|mal|tagen?|wochen?|fois|jours?|veces|días?)\b"
    rf"|(?-i:{CURRENCY_AFTER})(?! ?[0-9]))",
    re.IGNORECASE,
)


def _mail_addresses(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _MAIL.finditer(text):
        yield found.start(), found.end(), ""


def _private_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    for start, end, _ in private_numbers(text):
        yield start, end, ""


def _charge_ids(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _CHARGE_ID.finditer(text):
        if len(found[0]) <= _MAX_CHARGE_ID:
            yield found.start(), found.end(), found[0]


def _orders(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _ORDER.finditer(text):
        yield found.start(), found.end(), found["code"].upper()


def _codes(description: str) -> set[str]:
    return set(re.findall(_CODE, description.translate(FOLDED).upper()))


def _first(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """As many as can be mentioned, and what is only left out."""
    named = 0
    for span in spans:
        yield span
        named += bool(span[2])
        if named == MAX_MENTIONS:
            return
