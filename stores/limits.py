"""Rate limits that all workers share, in Redis."""

import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import cast

from redis.asyncio import Redis

from cases.errors import InvalidInput
from cases.rates import Rate
from stores.redis import UNAVAILABLE, in_time, lua

_log = logging.getLogger(__name__)


class RedisRateLimits:
    """Fits `cases.ports.RateLimits`: what cannot be asked limits nobody."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(lua("take"))

    async def take(self, limits: Mapping[str, Rate], cost: int = 1) -> timedelta:
        """Take from all of the limits, or from none; how long to wait before asking again.

        Zero is "go on", also where Redis does not answer: no case waits for a server that is gone.
        """
        args = [cost]
        for name, rate in limits.items():
            if not 1 <= cost <= rate.at_once:
                raise InvalidInput("cost", f"{cost} can never be taken at once from {name}")
            args += [rate.interval_us, rate.at_once]
        if not limits:
            return timedelta(0)
        try:
            wait = await in_time(self._take(keys=[_key(name) for name in limits], args=args))
        except UNAVAILABLE as error:
            _log.warning("rate limits are not available: %s", type(error).__name__)
            return timedelta(0)
        return timedelta(microseconds=cast("int", wait))

    async def pause(self, name: str, wait: timedelta) -> None:
        """Let nobody come before that time is over; a time that is still longer stays."""
        milliseconds = math.ceil(wait / timedelta(milliseconds=1))
        if milliseconds > 0 and wait > await self.paused(name):
            with suppress(*UNAVAILABLE):
                await in_time(self._redis.set(_pause(name), 1, px=milliseconds))

    async def paused(self, name: str) -> timedelta:
        """How long the pause lasts; zero also where Redis does not answer."""
        try:
            left = await in_time(self._redis.pttl(_pause(name)))
        except UNAVAILABLE as error:
            _log.warning("rate limits are not available: %s", type(error).__name__)
            return timedelta(0)
        return timedelta(milliseconds=max(left, 0))


def _pause(name: str) -> str:
    return f"{{limits}}:pause:{name}"


def _key(name: str) -> str:
    # One script looks at all of them, so a cluster must have them on one node.
    return f"{{limits}}:{name}"
