"""The sandbox's own clock."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from cases.errors import InvalidInput
from gateways.sandbox import clock
from gateways.sandbox.connection import Pool
from workers.composition import Stores


@pytest.fixture
async def pool(stores: Stores) -> AsyncGenerator[Pool]:
    """The sandbox, whose clock is put right again."""
    yield stores.sandbox
    await stores.sandbox.execute("UPDATE sandbox.clock SET ahead = '0'")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("25h", timedelta(hours=25)),
        (" 40d ", timedelta(days=40)),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    assert clock.parse_duration(text, "DURATION") == duration


@pytest.mark.parametrize(
    "text",
    ["", "25", "h", "25 h", "-25h", "+25h", "1.5h", "25H", "1h30m", "1w", "1e3s", "٣h", "9" * 9],
)
def test_what_is_no_duration_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"DURATION: .* is no duration such as 90s") as bad:
        clock.parse_duration(text, "DURATION")

    assert bad.value.field == "DURATION"


async def test_the_clock_adds_up_and_goes_with_ours(pool: Pool) -> None:
    await clock.advance(pool, timedelta(hours=1))
    advanced = await clock.advance(pool, timedelta(minutes=30))

    assert advanced.ahead == timedelta(minutes=90)
    assert abs(advanced.now - timedelta(minutes=90) - datetime.now(UTC)) < timedelta(minutes=1)
    shown = await pool.fetchval("SELECT sandbox.now()")
    assert timedelta(0) <= shown - advanced.now < timedelta(minutes=1)


async def test_the_clock_goes_ten_years_ahead_and_no_further(pool: Pool) -> None:
    await clock.advance(pool, timedelta(days=3650))

    with pytest.raises(InvalidInput, match="more than 3650 days ahead"):
        await clock.advance(pool, timedelta(seconds=1))
    assert (await clock.advance(pool, timedelta(0))).ahead == timedelta(days=3650)
