"""Activities run as a worker runs them: with an attempt number and heartbeats."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, cast

import pytest
from temporalio import activity as temporal_activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.steps import CaseRef

P = ParamSpec("P")
T = TypeVar("T")

REF = CaseRef(case_id="case_1", customer_id="cus_1")


def environment(*, attempt: int = 1, heartbeat: timedelta | None = None) -> ActivityEnvironment:
    env = ActivityEnvironment()
    env.info = dataclasses.replace(env.info, attempt=attempt, heartbeat_timeout=heartbeat)
    return env


async def run(activity: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a first attempt."""
    return await environment().run(activity, *args, **kwargs)


async def refused(activity: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> str:
    """The type of the failure of a first attempt that Temporal must not repeat."""
    with pytest.raises(ApplicationError) as failure:
        await run(activity, *args, **kwargs)
    assert failure.value.non_retryable
    assert failure.value.type
    return failure.value.type


def type_of(activity: Callable[..., Any]) -> str:
    """The activity's type, as histories name it."""
    definition = cast("Any", temporal_activity)._Definition.must_from_callable(activity)
    return str(definition.name)
