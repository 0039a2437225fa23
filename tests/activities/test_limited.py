"""A model whose calls are limited: each waits for its turn, and a long wait is Temporal's."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from activities.agent_steps import AgentActivities, AgentTask
from activities.agents.base import ModelLimits
from activities.limited import LONGEST_WAIT, LimitedModel
from activities.record import CaseRecord
from cases.answers import AnswerFacts
from cases.errors import RateLimited
from cases.rates import Rate
from cases.state import CaseStatus
from stores.limits import RedisRateLimits
from tests.activities.agents import tools
from tests.activities.environment import REF, run, type_of
from tests.fakes import FakeHot, FakeModel, FakeStore
from tests.samples import case
from workers.composition import Stores

MINUTE = Rate.parse("60/min")


class Waits:
    """Limits that answer what they are told, and remember what was asked."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)
        self.asked: list[dict[str, Rate]] = []

    async def take(self, limits: Mapping[str, Rate], cost: int = 1) -> timedelta:
        assert cost == 1
        self.asked.append(dict(limits))
        return timedelta(seconds=self.waits.pop(0) if self.waits else 0)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times: list[float] = []

    async def sleep(seconds: float) -> None:
        times.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return times


async def test_a_call_waits_until_it_may_go_on(slept: list[float]) -> None:
    model, waits = FakeModel(), Waits(2.0, 0.5)
    limited = LimitedModel(model, waits, {"model:x": MINUTE})

    await limited.understand("Hello.")
    await limited.write_answer(AnswerFacts(closes_as=CaseStatus.ANSWERED))

    assert slept == [2.0, 0.5]
    assert len(waits.asked) == 4
    assert model.read == ["Hello."]
    assert len(model.written) == 1


async def test_a_call_that_would_wait_too_long_is_left_to_temporal(slept: list[float]) -> None:
    model = FakeModel()
    limited = LimitedModel(model, Waits(LONGEST_WAIT.total_seconds() - 1, 2.0), {"model:x": MINUTE})

    with pytest.raises(RateLimited) as failure:
        await limited.understand("Hello.")

    assert slept == [LONGEST_WAIT.total_seconds() - 1]
    assert model.read == []
    assert failure.value.retryable
    assert failure.value.retry_after
    assert failure.value.retry_after.total_seconds() == 2.0


async def test_an_agents_calls_count_for_the_model_and_for_its_customer() -> None:
    waits, model = Waits(), FakeModel()
    limits = ModelLimits(shared=waits, model_name="gpt", model=MINUTE, customer=Rate.parse("9/day"))
    given = tools(model=model)
    given = type(given)(given.model, given.payments, given.accounts, given.policy, limits)
    house = AgentActivities(CaseRecord(FakeStore.of(case()), FakeHot()), given)
    [agent] = [one for one in house.all() if type_of(one) == "understanding_agent"]

    await run(agent, AgentTask(ref=REF, agent="understanding"))

    assert waits.asked == [{"model:gpt": MINUTE, "customer:cus_1": Rate.parse("9/day")}]
    assert len(model.read) == 1


async def test_without_limits_nothing_is_asked() -> None:
    waits = Waits()
    given = tools(model=FakeModel())
    given = type(given)(
        given.model, given.payments, given.accounts, given.policy, ModelLimits(shared=waits)
    )

    assert given.for_case(REF) is given
    assert waits.asked == []


async def test_workers_share_one_limit_on_the_real_server(stores: Stores, number: str) -> None:
    rates = {f"model:{number}": Rate.parse("2/day")}
    models = [FakeModel() for _ in range(4)]
    workers = [LimitedModel(one, RedisRateLimits(stores.redis), rates) for one in models]

    results = await asyncio.gather(
        *(worker.understand("Hello.") for worker in workers), return_exceptions=True
    )

    assert sum(isinstance(result, RateLimited) for result in results) == 2
    assert sum(len(one.read) for one in models) == 2
