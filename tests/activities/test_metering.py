"""A call of a paid model waits for its turn; a long wait is Temporal's."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from activities.metering import LONGEST_WAIT, ModelLimits, StepMeter
from cases.errors import BudgetSpent, ModelUnavailable, RateLimited
from cases.model_calls import Budget, CallEnd, Spent, Usage
from cases.rates import Rate
from stores.limits import RedisRateLimits
from tests.activities.environment import REF, environment
from tests.fakes import FakeModelCalls
from workers.composition import Stores

MINUTE = Rate.parse("60/min")
MOST = Spent(tokens=100)


class Waits:
    """Limits that answer what they are told, and remember what was asked."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.asked: list[dict[str, Rate]] = []
        self.pauses: dict[str, timedelta] = {}

    async def take(self, limits: Mapping[str, Rate], cost: int = 1) -> timedelta:
        assert cost == 1
        self.asked.append(dict(limits))
        return timedelta(seconds=self.waits.pop(0) if self.waits else 0)

    async def pause(self, name: str, wait: timedelta) -> None:
        self.pauses[name] = wait

    async def paused(self, name: str) -> timedelta:
        return self.pauses.get(name, timedelta(0))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times: list[float] = []

    async def sleep(seconds: float) -> None:
        times.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return times


def meter(limits: ModelLimits) -> StepMeter:
    return StepMeter(limits, REF, "understanding:1")


async def test_a_call_waits_until_it_may_go_on_and_is_then_on_record(slept: list[float]) -> None:
    calls, waits = FakeModelCalls(), Waits(2.0, 0.5)
    limits = ModelLimits(calls, waits, model=MINUTE, customer=Rate.parse("9/day"))

    await meter(limits).begin("openai:x", MOST)

    assert slept == [2.0, 0.5]
    asked = {"model:openai:x": MINUTE, "customer:cus_1": Rate.parse("9/day")}
    assert waits.asked == [asked] * 3
    [call] = calls.begun
    assert (call.case_id, call.step, call.model, call.most) == (
        "case_1", "understanding:1", "openai:x", MOST,
    )  # fmt: skip


async def test_a_call_that_would_wait_too_long_is_left_to_temporal(slept: list[float]) -> None:
    calls, waits = FakeModelCalls(), Waits(LONGEST_WAIT.total_seconds() - 1, 2.0)

    with pytest.raises(RateLimited) as failure:
        await meter(ModelLimits(calls, waits, model=MINUTE)).begin("openai:x", MOST)

    assert slept == [LONGEST_WAIT.total_seconds() - 1]
    assert calls.begun == []
    assert failure.value.retryable
    assert failure.value.retry_after == timedelta(seconds=2)


async def test_while_a_model_has_a_pause_no_worker_calls_it_and_they_come_back_apart() -> None:
    calls, waits = FakeModelCalls(), Waits()
    pause = timedelta(seconds=10)
    await meter(ModelLimits(calls, waits)).pause("openai:x", pause)

    told: set[timedelta] = set()
    for _ in range(5):
        with pytest.raises(ModelUnavailable) as failure:
            await meter(ModelLimits(calls, waits)).begin("openai:x", MOST)
        assert failure.value.retry_after
        assert pause <= failure.value.retry_after <= 1.5 * pause
        told.add(failure.value.retry_after)

    assert len(told) > 1
    assert calls.begun == []
    await meter(ModelLimits(calls, waits)).begin("openai:y", MOST)


async def test_without_rates_no_call_waits_and_the_budget_still_counts() -> None:
    calls, waits = FakeModelCalls(), Waits()
    none = Budget(calls=0, tokens=0, seconds=0, micro_usd=0)

    with pytest.raises(BudgetSpent):
        await meter(ModelLimits(calls, waits, case_budget=none)).begin("openai:x", MOST)
    assert waits.asked == [{}]


async def test_workers_share_one_limit_on_the_real_server(stores: Stores, number: str) -> None:
    rates = RedisRateLimits(stores.redis)
    limits = [
        ModelLimits(calls=FakeModelCalls(), rates=rates, model=Rate.parse("2/day"))
        for _ in range(4)
    ]
    meters = [StepMeter(one, REF, "understanding:1") for one in limits]

    results = await asyncio.gather(
        *(one.begin(f"openai:{number}", MOST) for one in meters), return_exceptions=True
    )

    assert sum(isinstance(result, RateLimited) for result in results) == 2


async def test_the_metrics_say_how_a_call_ended_and_what_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: dict[tuple[str, str], int] = {}
    env = environment()

    class Counter:
        def __init__(self, name: str, *_: str) -> None:
            self.name = name

        def add(self, value: int, labels: Mapping[str, str] | None = None) -> None:
            counted[self.name, "".join((labels or {}).values())] = value

    class Meter:
        def with_additional_attributes(self, labels: Mapping[str, str]) -> "Meter":
            assert labels == {"model": "openai:x"}
            return self

        create_counter = Counter

    def own() -> Meter:
        return Meter()

    monkeypatch.setattr("activities.metering.activity.metric_meter", own)

    async def one_call() -> None:
        own_meter = meter(ModelLimits(FakeModelCalls(), Waits()))
        number = await own_meter.begin("openai:x", MOST)
        usage = Usage(input_tokens=40, output_tokens=2, micro_usd=7)
        await own_meter.end(number, CallEnd.ANSWERED, usage)

    await env.run(one_call)

    assert counted == {
        ("casekeeper_model_calls", "answered"): 1,
        ("casekeeper_model_tokens", "input"): 40,
        ("casekeeper_model_tokens", "output"): 2,
        ("casekeeper_model_cost", ""): 7,
    }
