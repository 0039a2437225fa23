"""Every call of a paid model waits for its turn, is counted before it is made, and is measured."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity

from activities.steps import CaseRef
from cases.errors import ModelUnavailable, RateLimited
from cases.model_calls import CASE_BUDGET, CUSTOMER_BUDGET, Budget, CallEnd, ModelCall, Spent, Usage
from cases.model_ports import ModelCalls
from cases.ports import RateLimits
from cases.rates import Rate

#: How long a call waits for its turn inside its activity; above that Temporal tries it later.
LONGEST_WAIT = timedelta(seconds=20)


@dataclass(frozen=True)
class ModelLimits:
    """How often paid models may be called, and what they may cost."""

    calls: ModelCalls
    rates: RateLimits
    #: How often each model may be called, and all models for one customer; None for no limit.
    model: Rate | None = None
    customer: Rate | None = None
    case_budget: Budget = CASE_BUDGET
    customer_budget: Budget = CUSTOMER_BUDGET

    def named(self, model: str, customer_id: str) -> dict[str, Rate]:
        """The limits that a call for a customer counts towards, by name."""
        named = {f"model:{model}": self.model, f"customer:{customer_id}": self.customer}
        return {name: rate for name, rate in named.items() if rate}


class StepMeter:
    """Fits `cases.model_ports.Meter`."""

    def __init__(self, limits: ModelLimits, ref: CaseRef, step: str) -> None:
        self._limits = limits
        self._ref = ref
        self._step = step
        self._models: dict[int, str] = {}

    async def begin(self, model: str, most: Spent) -> int:
        """Wait for its turn, and put the call on record; its number.

        Raises BudgetSpent, RateLimited where its turn is too far off, and ModelUnavailable while
        the model has a pause.
        """
        await self._keep_the_pause(model)
        await _turn(self._limits.rates, self._limits.named(model, self._ref.customer_id))
        call = ModelCall(
            case_id=self._ref.case_id,
            branch=self._ref.branch,
            step=self._step,
            model=model,
            most=most,
        )
        number = await self._limits.calls.begin(
            call, self._limits.case_budget, self._limits.customer_budget
        )
        self._models[number] = model
        return number

    async def end(self, call: int, end: CallEnd, usage: Usage | None) -> None:
        """Put on record how the call ended, and into the metrics."""
        await self._limits.calls.end(call, end, usage)
        _measure(self._models.pop(call), end, usage or Usage())

    async def failures(self, model: str) -> int:
        """How many calls of the model for this step were not answered."""
        return await self._limits.calls.failures(
            self._ref.case_id, self._ref.branch, self._step, model
        )

    async def pause(self, model: str, wait: timedelta) -> None:
        """The model said to come back after that time: no worker calls it before."""
        await self._limits.rates.pause(f"model:{model}", wait)

    async def _keep_the_pause(self, model: str) -> None:
        wait = await self._limits.rates.paused(f"model:{model}")
        if wait:
            # Not all of those who wait come back at one moment.
            later = wait * random.uniform(1, 1.5)  # noqa: S311  no secret
            raise ModelUnavailable(model, "it asked for a pause", later)


async def _turn(limits: RateLimits, rates: Mapping[str, Rate]) -> None:
    left = LONGEST_WAIT
    while wait := await limits.take(rates):
        if wait > left:
            raise RateLimited(wait)
        left -= wait
        await asyncio.sleep(wait.total_seconds())


def _measure(model: str, end: CallEnd, usage: Usage) -> None:
    meter = activity.metric_meter().with_additional_attributes({"model": model})
    calls = meter.create_counter("casekeeper_model_calls", "Calls of language models, by their end")
    calls.add(1, {"end": end})
    tokens = meter.create_counter("casekeeper_model_tokens", "Tokens of language models")
    tokens.add(usage.input_tokens, {"direction": "input"})
    tokens.add(usage.output_tokens, {"direction": "output"})
    cost = meter.create_counter("casekeeper_model_cost", "Cost of language models", "micro_usd")
    cost.add(usage.micro_usd)
