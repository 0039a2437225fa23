"""Parts of ledgers in which something is too many, or of which the records alone do not tell."""

from collections.abc import Sequence

from cases.billing import Charge, ChargeStatus
from cases.money import Money
from tests.cases.ledgers import HOUR, MINUTE, SECOND, Maker, Part, Till


def _paid_twice(first: Charge, *more: Charge, doubtful: bool = False) -> Part:
    """All but the first are too many."""
    return Part([first, *more], frozenset(charge.charge_id for charge in more), doubtful)


def _one_again(till: Till, honest: Sequence[Charge], *, doubtful: bool = False) -> Part:
    """One of those charges came twice."""
    twin = till.again(till.random.choice(honest), till.soon())
    return Part([*honest, twin], frozenset([twin.charge_id]), doubtful)


def order_again(till: Till) -> Part:
    return _one_again(till, [till.charge(0 * HOUR, till.order())])


def thing_again(till: Till) -> Part:
    """Bought for the first time, and nothing says what it was."""
    return _one_again(till, [till.charge(0 * HOUR, till.thing())])


def three_charges(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.random.choice([till.order(), till.plan(), till.thing()]))
    gaps = sorted([till.soon(), till.soon()])
    return _paid_twice(first, *(till.again(first, gap) for gap in gaps))


def many_clicks_on_a_name(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.random.choice([till.order(), till.plan()]))
    return _paid_twice(first, *(till.again(first, n * 9 * SECOND) for n in range(1, 6)))


def plan_again(till: Till) -> Part:
    """One month of a plan, charged once more within three days."""
    return _one_again(till, till.months(till.plan()))


def month_again(till: Till) -> Part:
    """The same, where no word tells that it is a plan: a month is longer than a habit's 25 days."""
    return _one_again(till, till.months(till.thing()))


def week_again(till: Till) -> Part:
    return _one_again(till, till.weeks("Veg box subscription"))


def period_again(till: Till) -> Part:
    months = ("Oct", "Nov")
    return _one_again(
        till, [till.charge(n * MINUTE, f"Rent {m} 2026") for n, m in enumerate(months)]
    )


def instalment_again(till: Till) -> Part:
    """One order, paid in parts each week."""
    return _one_again(till, till.weeks(f"Sofa, order {till.number()}"))


def parcel_again(till: Till) -> Part:
    order = till.order()
    return _one_again(till, [till.charge(n * HOUR, f"{order}, parcel {n}/2") for n in (1, 2)])


def midnight_again(till: Till) -> Part:
    """23:59 and 00:01 are two days, and two minutes."""
    till.start = till.start.replace(hour=23, minute=59)
    first = till.charge(0 * HOUR, till.random.choice([till.order(), till.thing()]))
    return _paid_twice(first, till.again(first, 2 * MINUTE))


def otherwise_spelled(till: Till) -> Part:
    """Case, blanks, full stops: a terminal and a web shop of one merchant."""
    spelled = f"  {till.merchant.upper().replace(' ', '  ')} "
    first = till.charge(0 * HOUR, till.order().upper())
    words = f" {first.description.lower()}."
    return _paid_twice(first, till.charge(till.soon(), words, merchant=spelled))


def refund_failed(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.order())
    status = till.random.choice(["failed", "canceled"])
    return _paid_twice(first, till.again(first, till.soon(), refunds=till.refund(status=status)))


def one_of_three_repaid(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.plan())
    repaid = till.again(first, 10 * SECOND, refunds=till.refund())
    left = till.again(first, 20 * SECOND)
    return Part([first, repaid, left], frozenset([left.charge_id]))


def repaid_last_month(till: Till) -> Part:
    """The same mistake as last month, which was paid back then."""
    months = till.months(till.plan())
    repaid = till.again(months[1], MINUTE, refunds=till.refund())
    twin = till.again(months[2], till.soon())
    return Part([*months, repaid, twin], frozenset([twin.charge_id]))


def two_orders_again(till: Till) -> Part:
    """A bad day at a shop: each order came twice."""
    first = till.number()
    orders = [till.charge(n * HOUR, f"Order #{first + n}") for n in range(2)]
    twins = [till.again(order, till.soon()) for order in orders]
    return Part([*orders, *twins], frozenset(twin.charge_id for twin in twins))


def with_a_hold(till: Till) -> Part:
    """A twin that was paid, and two that took no money."""
    first = till.charge(0 * HOUR, till.random.choice([till.order(), till.thing()]))
    twin = till.again(first, 30 * SECOND)
    held = till.again(first, 40 * SECOND, status=ChargeStatus.PENDING)
    given_up = till.again(first, -30 * SECOND, status=ChargeStatus.REVERSED)
    return Part([first, twin, held, given_up], frozenset([twin.charge_id]))


PROVEN: tuple[Maker, ...] = (
    *(order_again, thing_again, three_charges, many_clicks_on_a_name, plan_again, month_again),
    *(week_again, period_again, parcel_again, midnight_again, otherwise_spelled, refund_failed),
    *(one_of_three_repaid, repaid_last_month, two_orders_again, with_a_hold, instalment_again),
)


def coffees(till: Till) -> Part:
    """Bought most days and on some twice, also in one minute, and no number anywhere."""
    return Part(till.days(till.thing()), doubtful=True)


def till_number_on_coffees(till: Till) -> Part:
    """A number on each receipt is the till's and no order's."""
    return Part(till.days(f"Flat white XY{till.number():06}"), doubtful=True)


def plan_by_the_day(till: Till) -> Part:
    gap = till.between(20 * HOUR, 60 * HOUR)
    return Part(till.many([n * gap for n in range(6)], "Data plan"), doubtful=True)


def round_of_drinks(till: Till) -> Part:
    """Four or more on one evening."""
    count = till.random.randint(4, 7)
    return Part(till.many([n * 25 * MINUTE for n in range(count)], till.thing()), doubtful=True)


def coffee_again(till: Till) -> Part:
    return _one_again(till, till.days(till.thing()), doubtful=True)


def class_again(till: Till) -> Part:
    """Each week or every third, and no word for it: two of them may be two persons."""
    weeks = till.weeks(till.thing(), till.random.randint(1, 3))
    return _one_again(till, weeks, doubtful=True)


def many_clicks_on_a_thing(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.thing())
    clicks = (till.again(first, n * 9 * SECOND) for n in range(1, 5))
    return _paid_twice(first, *clicks, doubtful=True)


def partly_repaid(till: Till) -> Part:
    first = till.charge(0 * HOUR, till.order())
    part = till.refund(till.random.randint(10, 90))
    return _paid_twice(first, till.again(first, till.soon(), refunds=part), doubtful=True)


def disputed(till: Till) -> Part:
    states = till.random.sample([ChargeStatus.DISPUTED, ChargeStatus.CAPTURED], 2)
    first = till.charge(0 * HOUR, till.order(), status=states[0])
    return _paid_twice(first, till.again(first, till.soon(), status=states[1]), doubtful=True)


def half_described(till: Till) -> Part:
    words = till.random.sample([till.order(), ""], 2)
    first, second = (till.charge(0 * HOUR, words[0]), till.charge(till.soon(), words[1]))
    return _paid_twice(first, second, doubtful=True)


def twins_in_two_currencies(till: Till) -> Part:
    other = Money(amount_minor=till.amount.amount_minor, currency="CHF")
    pairs = [
        [till.charge(n * MINUTE, "Jahres-Abo", amount=amount) for n in range(2)]
        for amount in (till.amount, other)
    ]
    twins = frozenset(second.charge_id for _, second in pairs)
    return Part([charge for pair in pairs for charge in pair], twins, doubtful=True)


DOUBTFUL: tuple[Maker, ...] = (
    *(coffees, till_number_on_coffees, plan_by_the_day, round_of_drinks, coffee_again),
    *(class_again, many_clicks_on_a_thing, partly_repaid, disputed, half_described),
    twins_in_two_currencies,
)
