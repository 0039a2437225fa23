"""The models in their order: the next one where one does not answer, and none twice too often."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from activities.metering import ModelLimits, StepMeter
from activities.model_chain import MOST_FAILURES, ModelChain, PaidModels
from cases.answer_texts import Opening
from cases.answers import AnswerFacts
from cases.errors import BudgetSpent, CaseError, ModelRefused, ModelUnavailable, UnusableAnswer
from cases.model_calls import CASE_BUDGET, CallEnd, Spent, Usage
from cases.model_ports import Meter, OpeningReply, UnderstandingReply
from cases.state import CaseStatus
from cases.understanding import Understanding
from tests.activities.environment import REF, run
from tests.activities.test_metering import Waits
from tests.fakes import FakeModel, FakeModelCalls

FACTS = AnswerFacts(closes_as=CaseStatus.ANSWERED)
GONE = ModelUnavailable("x", "gone")
_ENDS: dict[type[CaseError], CallEnd] = {
    ModelUnavailable: CallEnd.UNAVAILABLE,
    ModelRefused: CallEnd.REFUSED,
}


class Paid:
    """A paid model that fails as it is told, call by call, and then answers."""

    def __init__(self, name: str, *errors: CaseError) -> None:
        self.name = name
        self.errors = list(errors)
        self.calls = 0

    async def understand(self, messages: Sequence[str], meter: Meter) -> UnderstandingReply:
        assert messages
        await self._call(meter)
        understanding = Understanding(needs=frozenset({"account"}))
        return UnderstandingReply(model=self.name, prompt_hash="p", understanding=understanding)

    async def pick_opening(
        self, messages: Sequence[str], facts: AnswerFacts, meter: Meter
    ) -> OpeningReply:
        assert (messages, facts) == (["Hello."], FACTS)
        await self._call(meter)
        return OpeningReply(model=self.name, prompt_hash="p", opening=Opening.WORRIED)

    async def aclose(self) -> None:
        raise AssertionError("a step closes nothing")

    async def _call(self, meter: Meter) -> None:
        number = await meter.begin(self.name, Spent(tokens=10))
        self.calls += 1
        error = self.errors.pop(0) if self.errors else None
        end = _ENDS.get(type(error), CallEnd.UNUSABLE) if error else CallEnd.ANSWERED
        await meter.end(number, end, Usage())
        if error and error.retry_after:
            await meter.pause(self.name, error.retry_after)
        if error:
            raise error


def chain(calls: FakeModelCalls, *models: Paid) -> ModelChain:
    limits = ModelLimits(calls=calls, rates=Waits())
    return PaidModels(models, limits).before(FakeModel(), REF, "understanding:1")


async def attempts(calls: FakeModelCalls, *models: Paid) -> tuple[UnderstandingReply, int]:
    """Ask until there is an answer, as Temporal does; the answer, and at which attempt."""
    for attempt in range(1, 20):
        try:
            return await run(chain(calls, *models).understand, ["Hello."]), attempt
        except ModelUnavailable:
            continue
    raise AssertionError("it never ends")


async def test_the_first_model_answers_and_no_other_is_asked() -> None:
    first, second = Paid("one"), Paid("two")
    reply, attempt = await attempts(FakeModelCalls(), first, second)

    assert (reply.model, reply.instead_of, attempt) == ("one", (), 1)
    assert second.calls == 0


async def test_a_model_that_answers_at_its_last_try_is_not_left() -> None:
    first = Paid("one", *[GONE] * (MOST_FAILURES - 1))
    reply, attempt = await attempts(FakeModelCalls(), first)

    assert (reply.model, attempt) == ("one", MOST_FAILURES)


async def test_after_its_tries_the_next_model_is_asked_in_the_same_attempt() -> None:
    first, second = Paid("one", *[GONE] * 9), Paid("two")
    reply, attempt = await attempts(FakeModelCalls(), first, second)

    assert (reply.model, reply.instead_of, attempt) == ("two", ("one",), MOST_FAILURES)
    assert (first.calls, second.calls) == (MOST_FAILURES, 1)
    assert reply.provenance()["instead_of"] == "one"


async def test_the_offline_model_is_the_last_within_the_budget_and_an_agents_attempts() -> None:
    first, second = Paid("one", *[GONE] * 9), Paid("two", *[GONE] * 9)
    calls = FakeModelCalls()
    reply, attempt = await attempts(calls, first, second)

    assert (reply.model, reply.instead_of) == ("fake", ("one", "two"))
    assert len(calls.begun) == 2 * MOST_FAILURES <= CASE_BUDGET.calls
    assert attempt == 2 * MOST_FAILURES - 1 < 6


async def test_a_models_pause_is_kept_for_all_cases() -> None:
    waits = Waits()
    soon = ModelUnavailable("one", "429", timedelta(seconds=7))
    asked = PaidModels([Paid("one", soon)], ModelLimits(FakeModelCalls(), waits))
    with pytest.raises(ModelUnavailable):
        await run(asked.before(FakeModel(), REF, "understanding:1").understand, ["Hello."])

    other = Paid("one")
    again = PaidModels([other], ModelLimits(FakeModelCalls(), waits))
    with pytest.raises(ModelUnavailable, match="it asked for a pause"):
        await run(again.before(FakeModel(), REF, "understanding:1").understand, ["Hello."])
    assert other.calls == 0
    # Who is told to wait has heard nothing new: else each of those who wait would add to it.
    assert waits.pauses == {"model:one": timedelta(seconds=7)}


async def test_a_call_of_a_worker_that_died_is_a_try_as_well() -> None:
    calls = FakeModelCalls()
    for _ in range(MOST_FAILURES):
        died = StepMeter(ModelLimits(calls=calls, rates=Waits()), REF, "understanding:1")
        await died.begin("one", Spent())
    first = Paid("one")

    assert (await attempts(calls, first))[0].model == "fake"
    assert first.calls == 0


async def test_who_says_much_later_is_not_waited_for() -> None:
    first = Paid("one", ModelUnavailable("one", "429", timedelta(hours=1)))
    reply, attempt = await attempts(FakeModelCalls(), first)

    assert (reply.model, reply.instead_of, attempt) == ("fake", ("one",), 1)


async def test_who_says_soon_is_waited_for_by_temporal() -> None:
    soon = ModelUnavailable("one", "429", timedelta(seconds=7))
    with pytest.raises(ModelUnavailable) as failure:
        await run(chain(FakeModelCalls(), Paid("one", soon)).understand, ["Hello."])

    assert failure.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "error", [ModelRefused("one", "400"), UnusableAnswer("one", "no JSON")], ids=type
)
async def test_a_refusal_and_an_unusable_answer_are_for_a_person_and_for_no_other_model(
    error: CaseError,
) -> None:
    second = Paid("two")
    with pytest.raises(type(error)):
        await run(chain(FakeModelCalls(), Paid("one", error), second).understand, [""])

    assert second.calls == 0
    assert not error.retryable


async def test_where_the_budget_is_spent_no_model_is_asked() -> None:
    calls = FakeModelCalls()
    limits = ModelLimits(
        calls=calls, rates=Waits(), case_budget=CASE_BUDGET.model_copy(update={"calls": 0})
    )
    first = Paid("one")
    asked = PaidModels([first], limits).before(FakeModel(), REF, "understanding:1")

    with pytest.raises(BudgetSpent):
        await asked.understand(["Hello."])
    assert (first.calls, BudgetSpent.retryable) == (0, False)


async def test_an_opening_goes_the_same_way() -> None:
    reply = await run(chain(FakeModelCalls(), Paid("one")).pick_opening, ["Hello."], FACTS)

    assert (reply.model, reply.opening) == ("one", Opening.WORRIED)
