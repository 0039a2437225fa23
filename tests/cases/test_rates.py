"""Rates: read from text, exact in microseconds, never rounded to more."""

import pytest
from pydantic import ValidationError

from cases.errors import InvalidInput
from cases.rates import Rate


@pytest.mark.parametrize(
    ("text", "count", "per_s"),
    [("5/s", 5, 1), ("60/min", 60, 60), ("1000/h", 1000, 3600), ("1/day", 1, 86_400)],
)
def test_a_rate_is_read_from_text(text: str, count: int, per_s: int) -> None:
    rate = Rate.parse(text)
    assert (rate.count, rate.per_s, rate.at_once) == (count, per_s, count)


@pytest.mark.parametrize(
    "text",
    ["", "60", "60/", "/min", "0/s", "-1/s", "1.5/s", "60/minute", "60 / min", "60/MIN", "٦/min",
     "60/min\n", "1e3/s", "05/s", "9999999999/s"],
)  # fmt: skip
def test_text_that_is_no_rate_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a rate such as 60/min") as refused:
        Rate.parse(text, "CASEKEEPER_MODEL_RATE")
    assert refused.value.field == "CASEKEEPER_MODEL_RATE"


@pytest.mark.parametrize(
    ("text", "interval_us"),
    [("60/min", 1_000_000), ("7/s", 142_858), ("3/day", 28_800_000_000), ("2000000/s", 1)],
)
def test_the_interval_is_never_too_short(text: str, interval_us: int) -> None:
    assert Rate.parse(text).interval_us == interval_us


@pytest.mark.parametrize(
    "given", [{"count": 0}, {"per_s": 0}, {"burst": 0}, {"burst": 11}, {"count": -1}]
)
def test_a_rate_of_nothing_or_with_a_burst_above_it_cannot_be_made(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Rate.model_validate({"count": 10, "per_s": 1, **given})


def test_a_burst_may_be_smaller() -> None:
    assert Rate(count=10, per_s=1, burst=3).at_once == 3
