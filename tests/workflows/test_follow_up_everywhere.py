"""The customer says more wherever the case's workflow can wait: it is heard, and nothing twice."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from cases.errors import CaseClosed, CaseNotFound
from cases.state import Message
from starters.say import add_message
from starters.session import Session
from tests.workflows.left import Left, left_of, see_off
from tests.workflows.plays import Play, play_all, worker_with_doors
from tests.workflows.stands import ABOUT_LOGIN, SPOTS, Spot
from tests.workflows.support import BILLING, BOTH
from workers.composition import Gateways

BY_SIGNAL, BY_SAY = "by a signal", "as casekeeper say"
MORE = "And I can't log in to my account."


@dataclass(frozen=True)
class FollowUp:
    """Where a case is when the customer says more, and how it hears of it."""

    spot: Spot
    how: str

    def __str__(self) -> str:
        return f"{self.spot}-{self.how}"

    @property
    def text(self) -> str:
        """What the case is about: only money, where that gets it there."""
        stand = self.spot.stand
        about_login = stand.cancelled or stand.activity in ABOUT_LOGIN
        return BOTH if about_login else BILLING


@dataclass(frozen=True)
class Heard:
    """What the case left, and whether who said more was told that it was too early or late."""

    left: Left
    refused: bool


FOLLOW_UPS = [FollowUp(spot, how) for spot in SPOTS for how in (BY_SIGNAL, BY_SAY)]
LATE = [follow_up for follow_up in FOLLOW_UPS if follow_up.spot.stand.answered]
IN_TIME = [follow_up for follow_up in FOLLOW_UPS if follow_up not in LATE]


@pytest.fixture(scope="module")
async def plays(
    request: pytest.FixtureRequest, session: Session, gateways: Gateways
) -> AsyncGenerator[dict[FollowUp, asyncio.Task[Heard]]]:
    """All of them, many at once, on one worker."""
    async with worker_with_doors(session, gateways) as doors:

        async def play(follow_up: FollowUp) -> Heard:
            case = Play(session, doors)
            gate = await follow_up.spot.reach(case, follow_up.text)
            refused = not await _say(case, follow_up.how)
            gate.open.set()
            await see_off(case)
            return Heard(await left_of(case), refused)

        yield play_all(request, "follow_up", play)


async def _say(case: Play, how: str) -> bool:
    """Say more; False where that is refused."""
    if how == BY_SIGNAL:
        await case.write(MORE)
        return True
    message = Message(message_id="more", text=MORE, received_at=datetime.now(UTC))
    try:
        await add_message(case.world.session, await case.world.state(case.case_id), message)
    except (CaseNotFound, CaseClosed):
        return False
    await case.taken_in()
    return True


@pytest.mark.parametrize("follow_up", IN_TIME, ids=str)
async def test_what_the_customer_adds_is_on_record_and_looked_into_before_the_one_answer(
    follow_up: FollowUp, plays: dict[FollowUp, asyncio.Task[Heard]]
) -> None:
    heard = await plays[follow_up]

    left, stand = heard.left, follow_up.spot.stand
    left.is_settled()
    not_yet_open = (stand.activity, follow_up.spot.when) == ("open_case", "before")
    assert heard.refused == (not_yet_open and follow_up.how == BY_SAY)
    assert left.texts.count(MORE) == (0 if heard.refused else 1)
    assert len(left.answers) == 1
    assert len(left.refunds) == (1 if stand.pays else 0)
    if stand.cancelled:
        assert left.status == "cancelled"
    elif not heard.refused:
        _was_looked_into(left)
        assert len(left.resets) == (0 if "send_reset_mail" in stand.fails else 1)


def _was_looked_into(left: Left) -> None:
    """After the message the case was understood anew, and the last answer written after that."""
    [said] = [step for step in left.steps if step.startswith("message:") and _is_more(step, left)]
    after = left.steps[left.steps.index(said) :]
    kinds = [step.partition(":")[0] for step in after]
    assert "understanding" in kinds
    understood = len(kinds) - 1 - kinds[::-1].index("understanding")
    assert "response" in kinds[understood:]
    assert kinds[-1] == "answer"


def _is_more(step: str, left: Left) -> bool:
    messages = [step for step in left.steps if step.startswith("message:")]
    return messages.index(step) == left.texts.index(MORE) - 1


@pytest.mark.parametrize("follow_up", LATE, ids=str)
async def test_what_comes_once_the_answer_is_on_its_way_changes_nothing_for_the_customer(
    follow_up: FollowUp, plays: dict[FollowUp, asyncio.Task[Heard]]
) -> None:
    heard = await plays[follow_up]

    heard.left.is_settled()
    assert heard.left.status in {"answered", "manual_review"}
    assert len(heard.left.answers) == (0 if "send_answer" in follow_up.spot.stand.fails else 1)
    assert len(heard.left.refunds) == 1
    assert heard.left.resets == []
    if follow_up.how == BY_SAY:
        assert heard.refused != (MORE in heard.left.texts)
