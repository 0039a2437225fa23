"""A hot copy keeps the newest messages, exactly, and the count of the others."""

import random
from itertools import pairwise
from typing import cast

import pytest
from redis.asyncio import Redis

from cases.ids import MAIN
from cases.sizes import KEPT_MESSAGES
from cases.state import CaseState, Message, StepUpdate
from stores.hot import RedisHotStore
from tests.stores.support import key, probe, step


def _message(state: CaseState, number: int) -> Message:
    received = state.messages[0].received_at
    return Message(message_id=f"m{number}", text=f"more {number}", received_at=received)


def _said(state: CaseState, count: int, at_once: int = 1) -> list[tuple[StepUpdate, int]]:
    """Steps that bring so many messages, with one between that brings none."""
    steps: list[tuple[StepUpdate, int]] = [(probe(1), 2)]
    for first in range(0, count, at_once):
        messages = tuple(_message(state, n) for n in range(first, min(first + at_once, count)))
        steps.append((step(f"message:{first}", owner="intake", messages=messages), len(steps) + 2))
    return steps


def _after(state: CaseState, steps: list[tuple[StepUpdate, int]]) -> CaseState:
    for update, version in steps:
        state = state.after(update, version)
    return state


@pytest.mark.parametrize(
    ("count", "at_once"), [(48, 1), (49, 1), (50, 1), (130, 1), (130, 7), (130, 130)]
)
async def test_the_last_50_messages_stay_and_the_others_are_counted(
    hot: RedisHotStore, redis: Redis, state: CaseState, count: int, at_once: int
) -> None:
    assert KEPT_MESSAGES == 50
    steps = _said(state, count, at_once)
    await hot.write(state)
    for one in steps:
        await hot.merge(state.case_id, MAIN, [one])

    copy = await hot.read(state.case_id, MAIN)

    assert copy
    assert copy == _after(state, steps)
    assert len(copy.messages) == min(count + 1, 50)
    assert copy.messages_pruned == max(count + 1 - 50, 0)
    fields = cast("list[bytes]", await redis.hkeys(key(state)))
    assert sum(field.startswith(b"message:") for field in fields) == len(copy.messages)


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_the_steps_decides_nothing(
    hot: RedisHotStore, state: CaseState, seed: int
) -> None:
    steps = _said(state, 120, at_once=3)
    chance = random.Random(seed)  # noqa: S311  to be repeated, not to be secret
    shuffled = chance.sample(steps * 2, 2 * len(steps))  # each comes twice
    cuts = [0, *sorted(chance.sample(range(1, len(shuffled)), 9)), len(shuffled)]
    await hot.write(state)

    for first, last in pairwise(cuts):
        await hot.merge(state.case_id, MAIN, shuffled[first:last])

    assert await hot.read(state.case_id, MAIN) == _after(state, steps)


async def test_a_copy_that_is_made_anew_goes_on_counting(
    hot: RedisHotStore, state: CaseState
) -> None:
    steps = _said(state, 90)
    await hot.write(_after(state, steps[:70]))
    await hot.merge(state.case_id, MAIN, steps)

    assert await hot.read(state.case_id, MAIN) == _after(state, steps)


async def test_a_state_that_brings_more_is_cut_in_the_copy(
    hot: RedisHotStore, state: CaseState
) -> None:
    """Such as one that older code has made."""
    messages = tuple(_message(state, number) for number in range(60))
    await hot.write(state.model_copy(update={"messages": messages, "messages_pruned": 5}))

    copy = await hot.read(state.case_id, MAIN)

    assert copy
    assert copy.messages == messages[10:]
    assert copy.messages_pruned == 15
