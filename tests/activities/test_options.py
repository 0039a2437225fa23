"""The one table of time-outs and retries."""

from datetime import timedelta

import pytest

import activities.options
from activities.options import AGENT, EFFECT, NEVER_RETRIED, Limits
from cases import errors
from cases.errors import CaseError

#: The longest attempts: of what asks a model up to three times, of what lasts as long as its run,
#: and of what goes through everything.
LONGEST = {
    "AGENT": timedelta(minutes=2),
    "DELIVERY": timedelta(minutes=65),
    "RECONCILIATION": timedelta(minutes=30),
}
TABLE = {name: row for name, row in vars(activities.options).items() if isinstance(row, Limits)}


def kinds(kind: type[CaseError]) -> list[type[CaseError]]:
    """The errors that are raised: those that no other one is made of."""
    below = [found for child in kind.__subclasses__() for found in kinds(child)]
    own = [kind] if not kind.__subclasses__() else []
    return [found for found in [*own, *below] if found.__module__ == errors.__name__]


def test_every_error_that_a_retry_cannot_mend_is_never_retried_by_its_exact_name() -> None:
    hopeless = {kind.__name__ for kind in kinds(CaseError) if not kind.retryable}

    assert hopeless <= set(NEVER_RETRIED)
    assert len(hopeless) >= 10


def test_no_error_that_a_retry_may_mend_is_listed() -> None:
    known = {kind.__name__ for kind in kinds(CaseError) if kind.retryable}

    assert known == {
        "ConcurrentModification",
        "CustomerKeyMissing",
        "GatewayUnavailable",
        "LeaseUnavailable",
        "ModelUnavailable",
        "RateLimited",
        "SchemaTooNew",
    }
    assert not known & set(NEVER_RETRIED)
    assert "OutcomeUnknown" not in NEVER_RETRIED


def test_every_listed_error_is_one_of_ours_or_one_that_only_code_can_mend() -> None:
    ours = {name for name in vars(errors) if not name.startswith("_")}

    assert set(NEVER_RETRIED) - ours == {
        "ValidationError",
        "PayloadsTooLarge",
        "PayloadSizeError",
    }


@pytest.mark.parametrize("name", TABLE)
def test_every_kind_of_activity_ends_and_is_noticed_when_its_worker_dies(name: str) -> None:
    row = TABLE[name]
    options = row.normal()

    assert (
        timedelta(0) < options["start_to_close_timeout"] <= LONGEST.get(name, timedelta(seconds=60))
    )
    assert options["schedule_to_close_timeout"] > options["start_to_close_timeout"]
    if row.attempt > timedelta(seconds=10):
        assert timedelta(0) < options["heartbeat_timeout"] <= row.attempt / 3


@pytest.mark.parametrize("name", TABLE)
def test_every_kind_of_activity_waits_longer_each_time_and_knows_what_is_hopeless(
    name: str,
) -> None:
    for options in (TABLE[name].normal(), TABLE[name].local()):
        policy = options["retry_policy"]
        assert policy.initial_interval >= timedelta(milliseconds=100)
        assert policy.maximum_interval
        assert policy.maximum_interval > policy.initial_interval
        assert policy.backoff_coefficient > 1
        assert policy.non_retryable_error_types
        assert {"PayloadsTooLarge", "PayloadSizeError"} <= set(policy.non_retryable_error_types)
        assert set(policy.non_retryable_error_types) == set(NEVER_RETRIED)


def test_only_agents_are_given_up_by_count() -> None:
    assert {name for name, row in TABLE.items() if row.attempts} == {"AGENT"}
    assert AGENT.normal()["retry_policy"].maximum_attempts == AGENT.attempts


def test_an_effect_ends_before_its_provider_forgets_the_key() -> None:
    assert EFFECT.altogether <= timedelta(hours=20)
