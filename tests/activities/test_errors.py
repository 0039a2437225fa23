"""Errors of the core cross into Temporal with their name and their verdict."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.errors import heartbeating, temporal_failures
from cases.errors import CaseError, CaseNotFound, ConcurrentModification, Forbidden, InvalidInput
from tests.activities.environment import environment, run


@pytest.mark.parametrize(
    "error",
    [InvalidInput("text", "is empty"), CaseNotFound("case_1"), Forbidden("You may not.")],
)
async def test_an_error_keeps_its_name_and_its_sentence_and_is_not_repeated(
    error: CaseError,
) -> None:
    with pytest.raises(ApplicationError) as failure:
        async with temporal_failures():
            raise error

    assert failure.value.type == type(error).__name__
    assert failure.value.message == str(error)
    assert failure.value.non_retryable
    assert failure.value.__cause__ is error


async def test_a_conflict_is_repeated() -> None:
    with pytest.raises(ApplicationError) as failure:
        async with temporal_failures():
            raise ConcurrentModification("case_1", 1, 2)

    assert failure.value.type == "ConcurrentModification"
    assert not failure.value.non_retryable


@pytest.mark.parametrize("error", [OSError("down"), asyncio.CancelledError()])
async def test_other_errors_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as passed:
        async with temporal_failures():
            raise error

    assert passed.value is error


async def test_without_a_time_out_nothing_beats() -> None:
    async def work() -> int:
        async with heartbeating():
            return len(asyncio.all_tasks())

    before = len(asyncio.all_tasks())
    assert await run(work) <= before + 1


async def test_the_beats_end_with_the_work_also_when_it_fails() -> None:
    beats: list[int] = []
    env = environment(heartbeat=timedelta(milliseconds=15))
    env.on_heartbeat = lambda *_: beats.append(1)

    async def work() -> None:
        async with heartbeating():
            await asyncio.sleep(0.04)
            raise OSError("down")

    with pytest.raises(OSError, match="down"):
        await env.run(work)
    seen = len(beats)
    assert seen >= 3
    await asyncio.sleep(0.03)
    assert len(beats) == seen
