"""The sandbox's own clock: it goes with ours, and can be put ahead."""

import re
from datetime import datetime, timedelta

from cases.errors import InvalidInput
from cases.records import Record
from gateways.sandbox.connection import Pool

#: Nobody waits longer for a refund, and no calendar ends that soon.
FURTHEST = timedelta(days=3650)

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Clock(Record):
    """What the sandbox's clock says, and how far it is ahead of ours."""

    now: datetime
    ahead: timedelta


def parse_duration(text: str, field: str) -> timedelta:
    """Read a duration such as "90s", "30m", "25h" or "40d"; raises InvalidInput."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise InvalidInput(field, f"{text[:40]!r} is no duration such as 90s, 30m, 25h or 40d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


async def advance(pool: Pool, by: timedelta) -> Clock:
    """Put the clock ahead, from where it is; raises InvalidInput for more than ten years in all."""
    row = await pool.fetchrow(
        "UPDATE sandbox.clock SET ahead = ahead + $1::interval "
        "WHERE ahead + $1::interval <= $2::interval "
        "RETURNING ahead, clock_timestamp() + ahead AS now",
        by,
        FURTHEST,
    )
    if row is None:
        raise InvalidInput("DURATION", f"the clock would be more than {FURTHEST.days} days ahead")
    return Clock(now=row["now"], ahead=row["ahead"])
