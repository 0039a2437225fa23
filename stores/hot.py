"""The hot copy of a case in Redis: one hash, one field per section, opaque bytes.

It is a projection of Postgres. It may be slow, gone, evicted or behind: whoever reads here gets
either a whole copy or none, and nothing is ever lost with it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cases.errors import CaseError
from cases.state import CaseState, Message, StepUpdate, add
from stores.steps import storable

_log = logging.getLogger(__name__)

#: How long a copy lives after its last step, in seconds: longer than the longest wait of a case.
TTL_S = 8 * 24 * 3600
#: How long a closed case stays readable here, in seconds.
CLOSED_TTL_S = 300
#: The longest any command may take, in seconds.
DEADLINE_S = 1.0

T = TypeVar("T")
Field = tuple[str, bytes]
Versioned = tuple[str, bytes, int]

#: What decoding raises for a copy that something else has written to.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, CaseError)


def connect_redis(url: str) -> Redis:
    """A client that never retries (Temporal does) and never waits longer than DEADLINE_S."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  untyped upstream
        url,
        socket_timeout=DEADLINE_S,
        socket_connect_timeout=DEADLINE_S,
        retry=Retry(NoBackoff(), 0),
    )


class RedisHotStore:
    """Fits `cases.ports.HotStore`: every failure reads as "not here"."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._merge = redis.register_script(_lua("merge"))
        self._replace = redis.register_script(_lua("replace"))

    async def read(self, case_id: str, branch: str) -> CaseState | None:
        """The whole copy; None if it is missing, torn, unreadable or Redis does not answer."""
        found = await self._bounded(
            cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall(_key(case_id, branch)))
        )
        if not found:
            return None
        try:
            return _decode({key.decode(): value for key, value in found.items()})
        except _UNREADABLE:
            _log.warning("hot copy of %s is unreadable; using the durable record", case_id)
            return None

    async def write(self, state: CaseState) -> None:
        """Put the whole case, unless a newer copy is there."""
        fields: list[str | bytes | int] = []
        for name, value, version in _fields_of(state):
            fields += [name, value, f"v:{name}", version]
        head: dict[str, str | int] = {
            "version": state.version,
            "case": json.dumps([state.case_id, state.branch, state.customer_id]),
            "schema_version": state.schema_version,
            "updated_at": _now(),
            **({"closed": 1} if state.status.closed else {}),
        }
        fields += [part for item in head.items() for part in item]
        key = _key(state.case_id, state.branch)
        ttl = CLOSED_TTL_S if state.status.closed else TTL_S
        await self._bounded(self._replace(keys=[key], args=[ttl, state.version, *fields]))

    async def merge(
        self, case_id: str, branch: str, updates: Sequence[tuple[StepUpdate, int]]
    ) -> None:
        """Add committed steps to the copy; nothing happens where there is none."""
        closed = any(update.status and update.status.closed for update, _ in updates)
        ttl = CLOSED_TTL_S if closed else TTL_S
        args: list[str | bytes | int] = [ttl, int(closed), _now(), len(updates)]
        for update, version in updates:
            fields = _fields(update, version)
            args += [f"step:{update.step}", version, len(fields)]
            args += [part for field in fields for part in field]
        await self._bounded(self._merge(keys=[_key(case_id, branch)], args=args))

    async def _bounded(self, command: Awaitable[T]) -> T | None:
        try:
            # The client's own time-outs are for each exchange, and a command may take several.
            async with asyncio.timeout(DEADLINE_S):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("hot store is not available: %s", type(error).__name__)
            return None


def _lua(name: str) -> str:
    return files("stores").joinpath("lua", f"{name}.lua").read_text("utf-8")


def _key(case_id: str, branch: str) -> str:
    return f"case:{case_id}:{branch}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _fields(update: StepUpdate, version: int) -> list[Field]:
    """What a step writes. Each field keeps its newest version, so the order of steps is free."""
    fields: list[Field] = [("owner", update.owner.encode())]
    if update.status:
        fields.append(("status", update.status.encode()))
    if update.error:
        fields.append(("error", storable(update.error).encode()))
    if update.retries:
        fields.append((f"retries:{update.step}", json.dumps(update.retries).encode()))
    fields += [
        (f"section:{name}", section.model_dump_json().encode())
        for name, section in update.sections.items()
    ]
    fields += [_message_field(version, n, message) for n, message in enumerate(update.messages)]
    return fields


def _message_field(version: int, place: int, message: Message) -> Field:
    return f"message:{version:08d}:{place:04d}", message.model_dump_json().encode()


def _fields_of(state: CaseState) -> list[Versioned]:
    # Each step made one version, so a step's place in the list is its version.
    steps = enumerate(state.completed_steps, start=1)
    fields: list[Versioned] = [(f"step:{step}", b"", version) for version, step in steps]
    fields += [
        (f"section:{name}", body.model_dump_json().encode(), state.section_versions[name])
        for name, body in state.sections.items()
    ]
    fields += [(*_message_field(0, n, message), 0) for n, message in enumerate(state.messages)]
    fields += [
        ("status", state.status.encode(), state.version),
        ("owner", (state.current_owner or "").encode(), state.version),
        ("error", (state.error or "").encode(), state.version),
        ("retries:before", json.dumps(state.retries).encode(), state.version),
    ]
    return fields


def _decode(found: dict[str, bytes]) -> CaseState | None:
    version = int(found["version"])
    versions = {key[2:]: int(value) for key, value in found.items() if key.startswith("v:")}
    steps = sorted((v, key[5:]) for key, v in versions.items() if key.startswith("step:"))
    if len(steps) != version:
        return None  # a projection went missing: each version belongs to one step
    case_id, branch, customer_id = json.loads(found["case"])
    text = {
        key: found[key].decode() if key in found else None for key in ("status", "owner", "error")
    }
    retries: dict[str, int] = {}
    for key, value in found.items():
        if key.startswith("retries:"):
            retries = add(retries, json.loads(value))
    sections = {key[8:]: value for key, value in found.items() if key.startswith("section:")}
    messages = sorted((key, value) for key, value in found.items() if key.startswith("message:"))
    return CaseState.model_validate(
        {
            "case_id": case_id,
            "branch": branch,
            "customer_id": customer_id,
            "version": version,
            "schema_version": int(found["schema_version"]),
            "status": text["status"],
            "current_owner": text["owner"] or None,
            "error": text["error"] or None,
            "retries": retries,
            "completed_steps": tuple(name for _, name in steps),
            "sections": {name: json.loads(body) for name, body in sections.items()},
            "section_versions": {name: versions[f"section:{name}"] for name in sections},
            "messages": tuple(Message.model_validate_json(body) for _, body in messages),
        }
    )
