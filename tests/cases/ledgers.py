"""Ledgers as customers have them, with charges too many whose truth is known.

Each part of a ledger is one customer with one merchant. It says which of its charges are too many,
all others being honest, and whether a careful person would hold it for doubtful.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from cases.billing import Charge, ChargeStatus, RefundRecord
from cases.money import Money

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86_400))
PLANS = ("Family plan", "Premium subscription", "Gym membership", "Mobilfunk-Abo M", "Jahres-Abo")
THINGS = ("Flat white", "Lunch menu", "Car wash", "Cinema", "Tarif AB", "STORE #1234", "")
MERCHANTS = ("Café Müller", "Northwind Music", "AT&T", "Blue Bottle", "7-Eleven", "Kiosk 24/7")
ORDERS = ("Order #{}", "INV-2026-{}", "Bestellung Nr. {}", "Coffee, order {}", "A-{}00")


@dataclass(frozen=True)
class Part:
    """Charges at one merchant, and the truth about them."""

    charges: Sequence[Charge]
    #: To be paid back.
    too_many: frozenset[str] = frozenset()
    #: The records alone do not tell: a person must look.
    doubtful: bool = False
    name: str = ""


@dataclass
class Till:
    """Makes the charges of one part."""

    random: Random
    place: int
    currency: str
    made: int = 0
    merchant: str = field(init=False)
    amount: Money = field(init=False)
    start: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.merchant = self.random.choice(MERCHANTS)
        # Two parts may share a shop and their words, but no price.
        minor = self.random.randint(18, 600) * 20 + self.place
        self.amount = Money(amount_minor=minor, currency=self.currency)
        self.start = START + self.between(DAY, 300 * DAY)

    def between(self, low: timedelta, high: timedelta) -> timedelta:
        """Some time from the one to the other, and now and then exactly the one or the other."""
        share = self.random.choice([0, 1, *[self.random.random()] * 8])
        return low + (high - low) * share

    def soon(self) -> timedelta:
        """When a charge comes a second time by mistake: within the window."""
        return self.random.choice([self.between(SECOND, HOUR), self.between(SECOND, 72 * HOUR)])

    def number(self) -> int:
        return self.random.randint(1_000, 99_999)

    def order(self) -> str:
        return self.random.choice(ORDERS).format(self.number())

    def plan(self) -> str:
        return self.random.choice(PLANS)

    def thing(self) -> str:
        return self.random.choice(THINGS)

    def charge(self, after: timedelta, description: str, **fields: object) -> Charge:
        """A captured charge so long after the start, on the clock of some country."""
        self.made += 1
        zone = timezone(self.random.randint(-22, 28) * 30 * MINUTE)
        known: dict[str, object] = {
            "charge_id": f"ch_{chr(97 + self.place)}{self.made:03}",
            "customer_id": "cus_1",
            "amount": self.amount,
            "merchant": self.merchant,
            "description": description,
            "created_at": (self.start + after).astimezone(zone),
            "status": ChargeStatus.CAPTURED,
        }
        return Charge.model_validate({**known, **fields})

    def again(self, charge: Charge, after: timedelta, **fields: object) -> Charge:
        """The same charge once more, so long after it."""
        moment = charge.created_at - self.start + after
        return self.charge(moment, charge.description, **{"merchant": charge.merchant, **fields})

    def many(self, times: Sequence[timedelta], description: str) -> list[Charge]:
        return [self.charge(after, description) for after in times]

    def months(self, description: str) -> list[Charge]:
        """A charge on one day of five months, each up to an hour late."""
        day, moments = self.start.replace(day=min(self.start.day, 28)), list[timedelta]()
        for _ in range(5):
            moments.append(day - self.start + self.between(0 * HOUR, HOUR))
            day += monthrange(day.year, day.month)[1] * DAY
        return self.many(moments, description)

    def weeks(self, description: str, apart: int = 1) -> list[Charge]:
        """A charge every so many weeks, up to an hour late."""
        days = [n * 7 * apart * DAY for n in range(6)]
        return self.many([day + self.between(0 * HOUR, HOUR) for day in days], description)

    def days(self, description: str) -> list[Charge]:
        """A charge on most of some days, and on some of them a second one."""
        days = [n for n in range(14) if self.random.random() < 0.8 or n in (0, 1)]
        times = [n * DAY + self.between(0 * HOUR, 5 * HOUR) for n in days]
        twice = [time + self.between(20 * SECOND, 9 * HOUR) for time in times[::4]]
        return self.many(sorted([*times, *twice]), description)

    def refund(self, share: int = 100, status: str = "succeeded") -> tuple[RefundRecord, ...]:
        """So many hundredths of the amount paid back."""
        minor = self.amount.amount_minor * share // 100
        amount = Money(amount_minor=minor, currency=self.currency)
        moment = self.start + 20 * DAY
        return (RefundRecord(amount=amount, created_at=moment, status=status),)


Maker = Callable[[Till], Part]


def monthly(till: Till) -> Part:
    return Part(till.months(till.random.choice([till.plan(), till.thing()])))


def weekly(till: Till) -> Part:
    return Part(till.weeks(till.random.choice(["Veg box subscription", "Yoga class", ""])))


def by_period(till: Till) -> Part:
    """Months paid on one day: the period tells them apart."""
    months = ("Nov 2026", "Dec 2026", "Jan 2027")
    return Part([till.charge(n * MINUTE, f"Rent {month}") for n, month in enumerate(months)])


def numbered(till: Till) -> Part:
    """The same thing again and again, minutes or a day apart, each with its own number."""
    gaps = [n * till.random.choice([20 * SECOND, 9 * MINUTE, 20 * HOUR]) for n in range(5)]
    first = till.number()
    return Part([till.charge(gap, f"Flat white, order {first + n}") for n, gap in enumerate(gaps)])


def split_shipment(till: Till) -> Part:
    """One order in two parcels of the same price, each charged as it leaves."""
    order = till.order()
    gaps = [0 * HOUR, till.soon()]
    return Part([till.charge(gap, f"{order}, parcel {n}/2") for n, gap in enumerate(gaps, 1)])


def bought_later(till: Till) -> Part:
    """Bought again after more than 72 hours."""
    gap = till.between(72 * HOUR + SECOND, 24 * DAY)
    return Part(till.many([0 * HOUR, gap], till.thing()))


def noise(till: Till) -> Part:
    """One shop, its number on each receipt, other amounts."""
    times = [till.between(0 * HOUR, 9 * DAY) for _ in range(12)]
    prices = [
        Money(amount_minor=till.amount.amount_minor + n * 20, currency=till.currency)
        for n in range(12)
    ]
    pairs = zip(times, prices, strict=True)
    return Part([till.charge(time, "STORE #1234", amount=price) for time, price in pairs])


def by_chance(till: Till) -> Part:
    """One price at three shops within an hour."""
    names = [f"{till.merchant} {word}" for word in ("Bakery", "Books", "Bikes")]
    return Part([till.charge(n * 9 * MINUTE, "", merchant=name) for n, name in enumerate(names)])


def two_currencies(till: Till) -> Part:
    other = Money(amount_minor=till.amount.amount_minor, currency="CHF")
    thing = till.plan()
    return Part([till.charge(0 * HOUR, thing), till.charge(MINUTE, thing, amount=other)])


def held_and_taken(till: Till) -> Part:
    """Authorisations that were never captured, or given up, beside the charge that was."""
    order = till.random.choice([till.order(), till.thing()])
    states = [ChargeStatus.PENDING, ChargeStatus.REVERSED, ChargeStatus.CAPTURED]
    till.random.shuffle(states)
    return Part([till.charge(n * MINUTE, order, status=one) for n, one in enumerate(states)])


def checked_card(till: Till) -> Part:
    nothing = Money.zero(till.currency)
    return Part([till.charge(n * MINUTE, "", amount=nothing) for n in range(3)])


def given_back(till: Till) -> Part:
    """Bought, given back, bought again."""
    bought = till.charge(0 * HOUR, till.thing(), refunds=till.refund())
    return Part([bought, till.again(bought, till.soon())])


def part_given_back(till: Till) -> Part:
    """A refund in part of an only charge is no sign of another."""
    return Part([till.charge(0 * HOUR, till.order(), refunds=till.refund(30))])


def disputed_alone(till: Till) -> Part:
    return Part([till.charge(0 * HOUR, till.thing(), status=ChargeStatus.DISPUTED)])


def over_midnight(till: Till) -> Part:
    """Two minutes apart on two days, and the day stands in the words."""
    till.start = till.start.replace(hour=23, minute=59)
    days = [(till.start + n * DAY).date() for n in range(2)]
    return Part([till.charge(n * 2 * MINUTE, f"Parking {day}") for n, day in enumerate(days)])


def repaid(till: Till) -> Part:
    """A duplicate that was paid back, or is on its way back, whichever of the two it was."""
    way = till.refund(status=till.random.choice(["succeeded", "pending"]))
    ways = till.random.sample([way, ()], 2)
    first = till.charge(0 * HOUR, till.plan(), refunds=ways[0])
    return Part([first, till.again(first, till.soon(), refunds=ways[1])])


def repaid_class(till: Till) -> Part:
    """Of a habit as well: what was paid back is no question any more."""
    weeks = till.weeks("Yoga class")
    return Part([*weeks, till.again(weeks[2], till.soon(), refunds=till.refund())])


HONEST: tuple[Maker, ...] = (
    *(monthly, weekly, by_period, numbered, split_shipment, bought_later, noise, by_chance),
    *(two_currencies, held_and_taken, checked_card, given_back, part_given_back, disputed_alone),
    *(over_midnight, repaid, repaid_class),
)


@dataclass(frozen=True)
class Ledger:
    parts: tuple[Part, ...]

    @property
    def charges(self) -> list[Charge]:
        return [charge for part in self.parts for charge in part.charges]

    @property
    def too_many(self) -> frozenset[str]:
        return frozenset(one for part in self.parts for one in part.too_many)

    @property
    def doubtful(self) -> bool:
        return any(part.doubtful for part in self.parts)


def make_ledger(random: Random, makers: Sequence[Maker]) -> Ledger:
    """A ledger of those parts, each with a price of its own, listed in any order."""
    currency = random.choice(["USD", "EUR", "GBP"])
    parts: list[Part] = []
    for place, maker in enumerate(makers):
        part = maker(Till(random, place, currency))
        listed = random.sample(list(part.charges), len(part.charges))
        parts.append(replace(part, charges=listed, name=maker.__name__))
    return Ledger(tuple(parts))
