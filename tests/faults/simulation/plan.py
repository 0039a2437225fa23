"""What is to happen to one simulated case: drawn by a seed and the case's number alone.

So any case of any run can be played again by itself, whatever ran beside it.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cases.approvals import EXPIRES_AFTER
from tests.workflows.support import BILLING, BOTH, NOT_RECOGNISED

#: Refunded without a person, and above what the policy allows; minor units of USD.
WITHIN, ABOVE = (1, 50_000), (50_001, 200_000)


class Story(StrEnum):
    """What a case is about, and what people do."""

    REFUNDED = "refunded"
    ONE_CHARGE = "only one charge"
    WITH_LOGIN = "refund and login"
    RIVALS = "two cases, one pair"
    NOT_RECOGNISED = "charge not recognised"
    PROVIDER_DOWN = "provider down for a day"
    APPROVED = "approved after days"
    ADDED = "more said, then approved"
    DENIED = "denied after days"
    SILENT = "nobody decides in time"
    CANCELLED = "cancelled after days"
    WAITING = "still waits for a person"


class Place(StrEnum):
    """Where an attempt fails."""

    #: The activity never began.
    BEFORE = "before"
    #: What it wants changed is claimed, and the outside never hears of it.
    UNSENT = "unsent"
    #: The outside has done it, and its answer is lost.
    UNHEARD = "unheard"
    #: All is committed, and the report to Temporal is lost.
    UNREPORTED = "unreported"


class Extra(StrEnum):
    """What people and attackers do besides."""

    START_TWICE = "start twice"
    FORGE_EARLY = "approval of nothing, at the start"
    FORGE = "approval that nobody gave"
    DECIDE_TWICE = "decide twice"
    NOTIFY_TWICE = "signal twice"
    LATE = "signals after the end"


@dataclass(frozen=True)
class Expected:
    """What is right."""

    status: frozenset[str]
    refunds: int = 0
    resets: int = 0
    answers: int = 1


#: Each story's share of the cases, and its right end.
_STORIES: Mapping[Story, tuple[int, Expected]] = {
    Story.REFUNDED: (14, Expected(frozenset({"answered"}), refunds=1)),
    Story.ONE_CHARGE: (5, Expected(frozenset({"answered"}))),
    Story.WITH_LOGIN: (10, Expected(frozenset({"answered"}), refunds=1, resets=1)),
    # The slower one finds the refund on record, or its claim refused: then a person looks.
    Story.RIVALS: (
        8,
        Expected(frozenset({"answered", "manual_review"}), refunds=1, answers=2),
    ),
    Story.NOT_RECOGNISED: (5, Expected(frozenset({"manual_review"}))),
    Story.PROVIDER_DOWN: (4, Expected(frozenset({"manual_review"}))),
    Story.APPROVED: (20, Expected(frozenset({"answered"}), refunds=1)),
    Story.ADDED: (8, Expected(frozenset({"answered"}), refunds=1, resets=1)),
    Story.DENIED: (8, Expected(frozenset({"rejected"}))),
    Story.SILENT: (8, Expected(frozenset({"manual_review"}))),
    Story.CANCELLED: (6, Expected(frozenset({"cancelled"}), resets=1)),
    Story.WAITING: (4, Expected(frozenset({"awaiting_approval"}), answers=0)),
}
PARKED = frozenset(
    {Story.APPROVED, Story.ADDED, Story.DENIED, Story.SILENT, Story.CANCELLED, Story.WAITING}
)

#: What may fail, and whether it changes anything outside. None fails more often in a row than an
#: agent is asked.
_ACTIVITIES: Mapping[str, bool] = {
    "understanding_agent": False,
    "billing_agent": False,
    "account_agent": False,
    "policy_agent": False,
    "response_agent": False,
    "issue_refund": True,
    "send_reset_mail": True,
    "revoke_reset": True,
    "send_answer": True,
    "read_decision": False,
    "close_approval": False,
    "remind_approvers": False,
    "note_stray": False,
    "record_message": False,
}
_FAILS, _IN_A_ROW = 0.2, 3
_EXTRA = 0.2


@dataclass(frozen=True)
class CasePlan:
    """One case: its story, what fails on which attempt, and when people act."""

    seed: int
    number: int
    story: Story
    amount_minor: int
    #: By activity: where its first attempts fail, one after another.
    faults: Mapping[str, Sequence[Place]]
    #: How long the case waits for a person; longer than it may where nobody decides.
    waits: timedelta
    extras: frozenset[Extra]

    @property
    def name(self) -> str:
        """For the ids of the case, its customer and its charges."""
        return f"{self.seed}-{self.number}"

    @property
    def text(self) -> str:
        """What the customer writes first."""
        match self.story:
            case Story.WITH_LOGIN | Story.CANCELLED:
                return BOTH
            case Story.NOT_RECOGNISED:
                return NOT_RECOGNISED
            case _:
                return BILLING

    @property
    def charges(self) -> int:
        return 1 if self.story is Story.ONE_CHARGE else 2

    @property
    def expected(self) -> Expected:
        return _STORIES[self.story][1]

    @property
    def refunded_minor(self) -> int:
        """What the customer rightly gets back."""
        return self.expected.refunds * self.amount_minor


def plan_of(seed: int, number: int) -> CasePlan:
    """The plan of one case."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311  repeatable on purpose
    shares = [share for share, _ in _STORIES.values()]
    [story] = chance.choices(list(_STORIES), shares)
    return CasePlan(
        seed=seed,
        number=number,
        story=story,
        amount_minor=chance.randint(*(ABOVE if story in PARKED else WITHIN)),
        faults={
            activity: _draw_faults(chance, outside=outside)
            for activity, outside in _ACTIVITIES.items()
        },
        waits=_draw_wait(chance, story),
        extras=frozenset(extra for extra in Extra if chance.random() < _EXTRA),
    )


def _draw_faults(chance: random.Random, *, outside: bool) -> tuple[Place, ...]:
    places = list(Place) if outside else [Place.BEFORE, Place.UNREPORTED]
    drawn: list[Place] = []
    while len(drawn) < _IN_A_ROW and chance.random() < _FAILS:
        drawn.append(chance.choice(places))
    return tuple(drawn)


def _draw_wait(chance: random.Random, story: Story) -> timedelta:
    if story is Story.SILENT:
        return EXPIRES_AFTER + timedelta(hours=1)
    longest = EXPIRES_AFTER - timedelta(hours=1)
    return timedelta(seconds=chance.randint(0, int(longest.total_seconds())))
