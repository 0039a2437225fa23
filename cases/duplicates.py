"""Which equal charges are one purchase, charged too often: the rule of docs/duplicates.md."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from cases.descriptions import has_code, names_a_plan, names_one_purchase, plain
from cases.money import Money

#: Two equal charges further apart than this are two purchases (refund policy, version 1).
DUPLICATE_WINDOW = timedelta(hours=72)

#: What is bought again sooner than this is a habit: longer than what one buys by the week, shorter
#: than the shortest month (28 days), so that a monthly plan is none also without a word for it.
HABIT = timedelta(days=25)

#: The same for what calls itself a plan. It may be paid by the week (7 days, less one for a bank
#: that is late); one that is paid more often is bought by the day.
PLAN_HABIT = timedelta(days=6)

#: More equal charges than this within one window are bought again and again, where nothing names
#: them: an impatient customer clicks twice or three times.
MOST_UNMARKED = 3


class Paid(Protocol):
    """What the rule looks at: a charge that took money."""

    @property
    def charge_id(self) -> str: ...
    @property
    def customer_id(self) -> str: ...
    @property
    def amount(self) -> Money: ...
    @property
    def merchant(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


P = TypeVar("P", bound=Paid)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Group(Generic[P]):
    """Equal charges, earliest first, and why they may be honest purchases all the same."""

    charges: Sequence[P]
    doubt: str | None


def find_groups(paid: Iterable[P]) -> list[Group[P]]:
    """Groups of two or more charges that nothing tells apart."""
    groups: list[Group[P]] = []
    for look in _by_look(paid):
        for same in _gathered((plain(charge.description), charge) for charge in look):
            runs = _runs(same)
            for place, run in enumerate(runs):
                if len(run) > 1:
                    around = [*runs[max(0, place - 1) : place], *runs[place + 1 : place + 2]]
                    groups.append(Group(run, _doubt(run, [other[0] for other in around])))
    return groups


def find_half_described(paid: Iterable[P]) -> list[str]:
    """Doubts: an order id, invoice or period tells purchases apart where each carries one."""
    return [
        f"Equal charges {ids(near)}: only some carry a description."
        for look in _by_look(paid)
        for near in _runs(look)
        if len({bool(plain(charge.description)) for charge in near}) > 1
    ]


def ids(charges: Iterable[Paid]) -> str:
    """The charges, as a sentence names them."""
    return ", ".join(charge.charge_id for charge in charges)


def _doubt(run: Sequence[Paid], around: Sequence[Paid]) -> str | None:
    """Who buys this again and again may have bought it twice here; `around` are other times."""
    words, first = run[0].description, run[0].created_at
    if names_one_purchase(words):
        return None
    plan = names_a_plan(words)
    habit = PLAN_HABIT if plan else HABIT
    others = [other for other in around if abs(other.created_at - first) < habit]
    if others:
        why = f"the same was bought on other days too ({ids(others)})"
    elif len(run) > MOST_UNMARKED and not plan and not has_code(words):
        why = f"the same was bought {len(run)} times within 72 hours"
    else:
        return None
    return f"Equal charges {ids(run)}: {why}, and nothing proves that one is too many."


def _runs(charges: Sequence[P]) -> list[list[P]]:
    """Runs of charges at most DUPLICATE_WINDOW after the first of their run."""
    runs: list[list[P]] = []
    for charge in charges:
        if runs and charge.created_at - runs[-1][0].created_at <= DUPLICATE_WINDOW:
            runs[-1].append(charge)
        else:
            runs.append([charge])
    return runs


def _by_look(paid: Iterable[P]) -> list[list[P]]:
    """The charges of one customer, merchant, amount and currency, earliest first."""
    known = sorted(paid, key=lambda charge: (charge.created_at, charge.charge_id))
    looks = _gathered((_look(charge), charge) for charge in known)
    return sorted(looks, key=lambda look: _look(look[0]))


def _look(charge: Paid) -> tuple[str, str, int, str]:
    merchant = " ".join(charge.merchant.casefold().split())
    return charge.customer_id, merchant, charge.amount.amount_minor, charge.amount.currency


def _gathered(keyed: Iterable[tuple[K, P]]) -> list[list[P]]:
    """The charges of each key, in the order that they came in."""
    found: dict[K, list[P]] = {}
    for key, charge in keyed:
        found.setdefault(key, []).append(charge)
    return list(found.values())
