"""Over many generated branches: what a promotion leaves at the provider is right to the cent."""

import asyncio
import random
from collections import Counter

import pytest

from cases.state import CaseStatus
from starters.session import Session
from tests.branches.generated import Line, Promoted
from tests.conftest import SmallWorld
from workers.composition import Gateways

BRANCHES = 500
#: Branches of one case, one after the other: each but the first corrects a promotion.
_EACH = 4
_AT_ONCE = 8
SEED = 20261121


@pytest.mark.timeout(300)
async def test_the_provider_has_what_each_promoted_branch_says_or_the_case_is_parked(
    session: Session, gateways: Gateways, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    found: list[Promoted] = []

    async def one(place: int) -> None:
        chance = random.Random(f"{SEED}/{place}")  # noqa: S311  seeded: it can be repeated
        line = Line(SmallWorld(session, f"{number}-{place}"), gateways, chance)
        async with turns:
            await line.begin()
            for _ in range(_EACH):
                promoted = await line.promote(await line.branch_off())
                check(promoted, f"seed {SEED}, case {place}")
                found.append(promoted)
        assert (await session.stores.audit.verify(line.case_id, "main")) == []

    await asyncio.gather(*(one(place) for place in range(BRANCHES // _EACH)))
    assert len(found) == BRANCHES
    kinds = Counter(kind for promoted in found for kind in kinds_of(promoted))
    # A run without one of them would say nothing about it.
    assert set(kinds) == {"kept", "added", "topped up", "paid too much", "not paid"}
    with capsys.disabled():
        print(f"\n{BRANCHES} promotions, refunds of them: {dict(kinds)}")  # noqa: T201


def check(promoted: Promoted, name: str) -> None:
    """By hand, charge by charge; the plan's own arithmetic is not asked."""
    parked = promoted.status is CaseStatus.MANUAL_REVIEW
    for charge in {*promoted.wanted, *promoted.before, *promoted.after}:
        wants, had, has = (
            side.get(charge, 0) for side in (promoted.wanted, promoted.before, promoted.after)
        )
        assert has >= had, f"{name}: {charge} was charged back"
        unpaid = charge in promoted.disputed
        assert has == (had if unpaid else max(had, wants)), f"{name}: {charge}"
    to_recover = sum(
        max(0, had - promoted.wanted.get(charge, 0)) for charge, had in promoted.before.items()
    )
    to_pay = sum(
        max(0, wants - promoted.before.get(charge, 0)) for charge, wants in promoted.wanted.items()
    )
    assert _minor(promoted.plan.to_recover) == to_recover, name
    assert _minor(promoted.plan.to_pay) == to_pay, name
    assert promoted.told == sum(promoted.after.values()), name
    right = sum(promoted.after.values()) == sum(promoted.wanted.values())
    assert parked == (not right or promoted.branch_status is CaseStatus.MANUAL_REVIEW), name


def kinds_of(promoted: Promoted) -> list[str]:
    """What happened to each charge."""
    kinds: list[str] = []
    for charge in {*promoted.wanted, *promoted.before}:
        wants, had, has = (
            side.get(charge, 0) for side in (promoted.wanted, promoted.before, promoted.after)
        )
        if wants < had:
            kinds.append("paid too much")
        elif has < wants:
            kinds.append("not paid")
        elif wants == had:
            kinds.append("kept")
        else:
            kinds.append("topped up" if had else "added")
    return kinds


def _minor(amount: object) -> int:
    return getattr(amount, "amount_minor", 0)
