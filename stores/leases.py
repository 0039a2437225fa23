"""Leases in Redis: one holder at a time, for a time, with a token that the stores can check.

A lease spares work that two would do; it cannot keep a holder that was stopped from going on after
its time. What keeps the data right is the token: give it as `fence` to each write.
"""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import cast

from redis.asyncio import Redis

from cases.errors import InvalidInput, LeaseUnavailable
from cases.records import Record
from stores.redis import UNAVAILABLE, case_key, in_time, lua

#: How long a token is remembered after the lease, in seconds: by then the clock is above it, if
#: nobody sets it back by more.
TOKEN_TTL_S = 24 * 3600


class Lease(Record):
    """What a holder has. A later holder of the same name has a higher token."""

    name: str
    holder: str
    token: int
    ttl_s: float


class HeldLease:
    """A lease that is being renewed."""

    def __init__(self, lease: Lease, until: float) -> None:
        self.lease = lease
        self._until = until
        self._over = asyncio.Event()

    @property
    def token(self) -> int:
        return self.lease.token

    @property
    def lost(self) -> bool:
        """Whether someone else may hold it by now; counts also after a stop of this process."""
        return self._over.is_set() or time.monotonic() >= self._until

    async def until_lost(self) -> None:
        """Wait until the lease is lost, to stop what it was for."""
        await self._over.wait()

    async def renew_with(self, leases: "RedisLeases") -> None:
        """Renew at each third of its time, until it is lost."""
        while not self.lost:
            await asyncio.sleep(min(self.lease.ttl_s / 3, self._left()))
            asked = time.monotonic()
            try:
                async with asyncio.timeout(self._left()):
                    renewed = await leases.renew(self.lease)
            except (LeaseUnavailable, TimeoutError):
                continue  # it is ours for the rest of its time
            if not renewed:
                break
            self._until = asked + self.lease.ttl_s
        self._over.set()

    def _left(self) -> float:
        return max(0.0, self._until - time.monotonic())


class RedisLeases:
    """Gives leases out; every call raises LeaseUnavailable, soon, where Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._acquire = redis.register_script(lua("acquire"))
        self._renew = redis.register_script(lua("renew"))
        self._release = redis.register_script(lua("release"))

    async def acquire(self, name: str, ttl_s: float, holder: str | None = None) -> Lease | None:
        """Take the lease; None while someone else holds it.

        A `holder` that names itself takes its own lease again, with a new token that ends the
        old one: so a process that was started anew need not wait for the rest of its time.
        """
        holder = holder or secrets.token_hex(16)
        args: list[str | int] = [holder, _milliseconds(ttl_s), _remember(ttl_s)]
        token = await _answer(self._acquire(keys=_keys(name), args=args), name)
        return Lease(name=name, holder=holder, token=token, ttl_s=ttl_s) if token else None

    async def renew(self, lease: Lease) -> bool:
        """Give the lease its whole time again; False where it has expired or is another's."""
        args: list[str | int] = [_value(lease), _milliseconds(lease.ttl_s), _remember(lease.ttl_s)]
        return await _answer(self._renew(keys=_keys(lease.name), args=args), lease.name) == 1

    async def release(self, lease: Lease) -> bool:
        """Give the lease back; False where it has expired or is another's."""
        call = self._release(keys=_keys(lease.name)[:1], args=[_value(lease)])
        return await _answer(call, lease.name) == 1

    @asynccontextmanager
    async def holding(
        self, name: str, ttl_s: float, holder: str | None = None
    ) -> AsyncGenerator[HeldLease | None]:
        """Hold the lease for the block and renew it; None while someone else holds it.

        Look at `lost` before what must not happen twice, and give `token` to each write.
        """
        asked = time.monotonic()
        lease = await self.acquire(name, ttl_s, holder)
        if lease is None:
            yield None
            return
        held = HeldLease(lease, asked + ttl_s)
        renewing = asyncio.create_task(held.renew_with(self))
        try:
            yield held
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            with contextlib.suppress(LeaseUnavailable):  # then it expires
                await self.release(lease)


def case_lease(case_id: str, branch: str) -> str:
    """The name of a case's lease; its keys live on the cluster's node that has the case."""
    return case_key(case_id, branch)


def _keys(name: str) -> list[str]:
    tagged = name if "{" in name else f"{{{name}}}"
    return [f"lease:{tagged}", f"lease:{tagged}:token"]


def _value(lease: Lease) -> str:
    return f"{lease.token}:{lease.holder}"


def _milliseconds(ttl_s: float) -> int:
    if ttl_s < 0.001:  # noqa: PLR2004  Redis counts in milliseconds
        raise InvalidInput("ttl_s", "must be at least 0.001")
    return math.ceil(ttl_s * 1000)


def _remember(ttl_s: float) -> int:
    return TOKEN_TTL_S + int(ttl_s)


async def _answer(call: Awaitable[object], name: str) -> int:
    try:
        return cast("int", await in_time(call))
    except UNAVAILABLE as error:
        raise LeaseUnavailable(name) from error
