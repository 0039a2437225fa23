"""The hot copy of a case in Redis: one hash, one field per section, opaque bytes.

It is a projection of Postgres. It may be slow, gone, evicted or behind: whoever reads here gets
either a whole copy or none, and nothing is ever lost with it.
"""

import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar, cast

from redis.asyncio import Redis

from cases.errors import CaseError, ForeignWrite, InvalidInput, LeaseLost
from cases.ids import checkpoint_id
from cases.schema import SCHEMA_VERSION
from cases.sections import Section
from cases.sizes import KEPT_MESSAGES
from cases.state import CaseState, StepUpdate
from stores.customer_keys import CustomerKeys
from stores.projection import (
    Argument,
    decode_state,
    encode_state,
    encode_step,
    now,
    readable,
    section_field,
)
from stores.redis import UNAVAILABLE, case_key, in_time, lua
from stores.seals import NO_SEAL, Seal

_log = logging.getLogger(__name__)

#: How long a copy lives after its last step, in seconds, where nobody says otherwise.
DEFAULT_TTL_S = 3600
#: The same for the application's cases: longer than the longest wait of a case.
CASE_TTL_S = 8 * 24 * 3600
#: How long a closed case stays readable here, in seconds.
CLOSED_TTL_S = 300
#: How long the highest token of a case's writers is remembered, in seconds.
FENCE_TTL_S = CASE_TTL_S

S = TypeVar("S", bound=Section)
T = TypeVar("T")

#: What decoding raises for a copy that something else has written to.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, CaseError)


class RedisHotStore:
    """Fits `cases.ports.HotStore`: every failure reads as "not here".

    A `fence` is the token of a lease (`stores.leases`). The highest one that came is remembered
    beside the copy, so that it outlives a drop, the end of the case and the copy's own life: who
    comes with a lower one has lost the lease, and gets LeaseLost. Writers without a fence are
    not compared with it. The client must answer in bytes, as that of `connect_redis` does.
    """

    def __init__(
        self, redis: Redis, keys: CustomerKeys | None = None, *, ttl_s: int = DEFAULT_TTL_S
    ) -> None:
        self._redis, self._keys = redis, keys
        self._ttl_s = _positive(ttl_s)
        self._merge = redis.register_script(lua("merge"))
        self._replace = redis.register_script(lua("replace"))

    async def read(self, case_id: str, branch: str) -> CaseState | None:
        """The whole copy; None if it is missing, torn, unreadable or Redis does not answer."""
        found = await self._answer(
            cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall(case_key(case_id, branch)))
        )
        if not found:
            return None
        try:
            return decode_state(await self._opened(found))
        except _UNREADABLE:
            _log.warning("hot copy of %s is unreadable; using the durable record", case_id)
            return None

    async def read_section(self, case_id: str, branch: str, kind: type[S]) -> S | None:
        """One section without the rest; None as for `read`, or where no step has written it.

        It may be newer than other sections that were read before, and the copy need not be whole.
        """
        fields = [section_field(kind.name), "schema_version"]
        found = await self._answer(
            cast(
                "Awaitable[list[bytes | None]]",
                self._redis.hmget(case_key(case_id, branch), fields),
            )
        )
        body, schema_version = found or (None, None)
        if body is None or schema_version is None or not readable(schema_version):
            return None
        try:
            [clear] = (await self._opened({b"body": body})).values()
            return kind.model_validate_json(clear)
        except _UNREADABLE:
            _log.warning("section %s of the hot copy of %s is unreadable", kind.name, case_id)
            return None

    async def latest_checkpoint(self, case_id: str, branch: str) -> str | None:
        """The newest checkpoint that the copy knows of, as "main.7"; None as for `read`."""
        version = await self._answer(
            cast("Awaitable[bytes | None]", self._redis.hget(case_key(case_id, branch), "version"))
        )
        return checkpoint_id(branch, int(version)) if version and version.isdigit() else None

    async def write(
        self, state: CaseState, *, ttl_s: int | None = None, fence: int | None = None
    ) -> bool:
        """Put the whole case; False where a newer copy is there, or Redis does not answer.

        A `ttl_s` becomes the case's own, which later steps and copies keep. Raises LeaseLost.
        """
        args: list[Argument] = [
            *(self._ttl_s, _positive(ttl_s) if ttl_s is not None else ""),
            CLOSED_TTL_S if state.status.closed else "",
            *_fence(fence),
            state.version,
            *encode_state(state, await self._seal(state.case_id)),
        ]
        reply = await self._run(self._replace(keys=_keys(state.case_id, state.branch), args=args))
        return _done(reply, state.case_id, fence)

    async def merge(
        self,
        case_id: str,
        branch: str,
        updates: Sequence[tuple[StepUpdate, int]],
        *,
        fence: int | None = None,
    ) -> bool:
        """Add committed steps to the copy; False where there is none, or Redis does not answer.

        Raises LeaseLost, or ForeignWrite if a step wrote a section that another owner has written:
        then none of the steps is added.
        """
        closes = any(update.status and update.status.closed for update, _ in updates)
        args: list[Argument] = [
            *(self._ttl_s, CLOSED_TTL_S if closes else ""),
            *_fence(fence),
            *(SCHEMA_VERSION, KEPT_MESSAGES, now(), len(updates)),
        ]
        seal = await self._seal(case_id)
        for update, version in updates:
            args += encode_step(update, version, seal)
        reply = await self._run(self._merge(keys=_keys(case_id, branch), args=args))
        return _done(reply, case_id, fence)

    async def drop(self, case_id: str, branch: str) -> None:
        """Forget the copy, which the durable record has contradicted."""
        await self._answer(self._redis.delete(case_key(case_id, branch)))

    async def _seal(self, case_id: str) -> Seal:
        return await self._keys.of_case(case_id) if self._keys else NO_SEAL

    async def _opened(self, found: dict[bytes, bytes]) -> dict[bytes, bytes]:
        return (await self._keys.opened([found]))[0] if self._keys else found

    async def _run(self, script: Awaitable[object]) -> list[bytes]:
        return cast("list[bytes]", await self._answer(script)) or [b"not here"]

    async def _answer(self, command: Awaitable[T]) -> T | None:
        try:
            return await in_time(command)
        except UNAVAILABLE as error:
            _log.warning("hot store is not available: %s", type(error).__name__)
            return None


def _keys(case_id: str, branch: str) -> list[str]:
    key = case_key(case_id, branch)
    return [key, f"{key}:fence"]


def _fence(fence: int | None) -> tuple[Argument, int]:
    return ("" if fence is None else fence), FENCE_TTL_S


def _positive(ttl_s: int) -> int:
    if ttl_s < 1:
        raise InvalidInput("ttl_s", "must be at least 1")
    return ttl_s


def _done(reply: list[bytes], case_id: str, fence: int | None) -> bool:
    """Whether the script did its work; raises what it refused to do."""
    answer, *facts = [part.decode() for part in reply]
    if answer == "lease lost":
        raise LeaseLost(f"case {case_id}", fence or 0, int(facts[0]))
    if answer == "foreign write":
        raise ForeignWrite(*facts)
    return answer == "done"
