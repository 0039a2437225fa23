"""A Redis of one case alone, and what may befall it at a step of that case."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from cases.ids import MAIN
from cases.ports import CaseStore
from cases.state import CaseState, StepUpdate
from runtime.embedded.ports import LOOPBACK
from stores.hot import RedisHotStore
from tests.stores.own_valkey import OwnValkey as Valkey
from tests.workflows.case_rows import kind_of

#: A port on which nothing listens: a server that is to follow it stays alone, and refuses writes.
_NOBODY = 1


class OwnValkey:
    """A server and what lies in it, which is found there; no key is made by hand."""

    def __init__(self, folder: Path) -> None:
        self._server = Valkey(folder)
        self.url = self._server.url
        #: What the faults use: without the product's deadline.
        self._redis = Redis.from_url(self.url)  # pyright: ignore[reportUnknownMemberType]  upstream
        self._kept: Mapping[bytes, bytes] = {}

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start, "--appendonly", "yes")

    def send(self, number: signal.Signals) -> None:
        self._server.signal(number)

    async def stop(self) -> None:
        await self._redis.aclose()
        self._server.stop()

    async def tell(self, *command: str | bytes | int) -> Any:
        untyped: Any = self._redis
        return await untyped.execute_command(*command)

    async def keys(self) -> list[bytes]:
        return cast("list[bytes]", await self.tell("KEYS", "*"))

    async def fields(self) -> dict[tuple[bytes, bytes], bytes]:
        """The fields of all hashes by key and name."""
        found: dict[tuple[bytes, bytes], bytes] = {}
        for key in await self.keys():
            if await self.tell("TYPE", key) == b"hash":
                for name, value in (await self.tell("HGETALL", key)).items():
                    found[key, name] = value
        return found

    async def keep(self) -> None:
        """Remember all that lies here."""
        self._kept = {key: await self.tell("DUMP", key) for key in await self.keys()}

    async def bring_back(self) -> None:
        """What was remembered, and nothing of what came since."""
        await self.tell("FLUSHALL")
        for key, value in self._kept.items():
            await self.tell("RESTORE", key, 0, value)


Strike = Callable[[OwnValkey], Awaitable[None]]


async def _nothing(_: OwnValkey) -> None:
    """Leave it as it is."""


@dataclass(frozen=True)
class Fault:
    """What happens to Redis when a step is on record: before it is projected, and after that."""

    name: str
    before: Strike = _nothing
    after: Strike = _nothing
    #: What was missed reaches the server late, so that the copy may be right again.
    passes: bool = False


async def _flush(server: OwnValkey) -> None:
    await server.tell("FLUSHALL")


async def _expire(server: OwnValkey) -> None:
    while keys := await server.keys():  # a step beside this one may renew what it projects to
        for key in keys:
            await server.tell("PEXPIRE", key, 1)
        await asyncio.sleep(0.003)


async def _replace(server: OwnValkey) -> None:
    for key in await server.keys():
        await server.tell("DEL", key)
        await server.tell("SET", key, "neither a hash nor a number")


async def _fill(server: OwnValkey) -> None:
    await server.tell("CONFIG", "SET", "maxmemory", 1)


async def _demote(server: OwnValkey) -> None:
    await server.tell("REPLICAOF", LOOPBACK, _NOBODY)


async def _freeze(server: OwnValkey) -> None:
    server.send(signal.SIGSTOP)


async def _thaw(server: OwnValkey) -> None:
    server.send(signal.SIGCONT)


async def _kill(server: OwnValkey) -> None:
    await server.stop()


async def _restart(server: OwnValkey) -> None:
    await server.start()


async def _keep(server: OwnValkey) -> None:
    await server.keep()


async def _bring_back(server: OwnValkey) -> None:
    await server.bring_back()


def _change(made: Callable[[bytes, bytes], bytes | None]) -> Strike:
    """Change every field; None takes it away."""

    async def strike(server: OwnValkey) -> None:
        for (key, name), value in (await server.fields()).items():
            changed = made(name, value)
            if changed is None:
                await server.tell("HDEL", key, name)
            elif changed != value:
                await server.tell("HSET", key, name, changed)

    return strike


def _garbled_version(name: bytes, value: bytes) -> bytes:
    return b"garbage" if name == b"version" else value


def _cut_off(_: bytes, value: bytes) -> bytes:
    return value[: len(value) // 2] if value.startswith(b"{") else value


def _without_messages(name: bytes, value: bytes) -> bytes | None:
    return None if name.startswith(b"message:") else value


def _foreign_owners(name: bytes, value: bytes) -> bytes:
    return b"someone" if name.startswith(b"o:") or name == b"owner" else value


def _false_amounts(_: bytes, value: bytes) -> bytes:
    return value.replace(b'"amount_minor":', b'"amount_minor":1')


def _of_another(_: bytes, value: bytes) -> bytes:
    return value.replace(b"cus_", b"cus_other_").replace(b"case_", b"case_other_")


FULL = Fault("full", _fill)
READ_ONLY = Fault("read_only", _demote)
KILLED = Fault("killed", _kill)

FAULTS = (
    FULL,
    READ_ONLY,
    KILLED,
    Fault("flushed", _flush, _flush),
    Fault("expired", _expire, _expire),
    Fault("of_another_type", _replace, _replace),
    Fault("frozen", _freeze),
    Fault("frozen_for_a_call", _freeze, _thaw, passes=True),
    Fault("restarted", _kill, _restart),
    Fault("outdated", _keep, _bring_back),
    Fault("garbled_version", after=_change(_garbled_version)),
    Fault("bodies_cut_off", after=_change(_cut_off)),
    Fault("foreign_owners", after=_change(_foreign_owners)),
    Fault("without_messages", after=_change(_without_messages)),
    Fault("false_amounts", after=_change(_false_amounts)),
    Fault("of_another_case", after=_change(_of_another)),
)


class StruckHot(RedisHotStore):
    """The product's hot store on a server of its own, struck once: at one step of the case."""

    def __init__(
        self, redis: Redis, server: OwnValkey, fault: Fault, step: str, truth: CaseStore
    ) -> None:
        super().__init__(redis)
        self._server, self._fault, self._step, self._truth = server, fault, step, truth
        self.struck = False
        #: The copy was not that of the record any more when all had happened.
        self.spoiled = False

    async def write(self, state: CaseState, **options: Any) -> Any:
        opened = state.completed_steps if state.version == 1 else ()
        write = partial(super().write, state, **options)
        return await self._strike_at(opened, state.case_id, write)

    async def merge(
        self,
        case_id: str,
        branch: str,
        updates: Sequence[tuple[StepUpdate, int]],
        **options: Any,
    ) -> Any:
        steps = [update.step for update, _ in updates]
        merge = partial(super().merge, case_id, branch, updates, **options)
        return await self._strike_at(steps, case_id, merge)

    async def _strike_at(
        self, steps: Sequence[str], case_id: str, project: Callable[[], Awaitable[Any]]
    ) -> Any:
        if self.struck or self._step not in map(kind_of, steps):
            return await project()
        self.struck = True
        await self._fault.before(self._server)
        done = await project()
        await self._fault.after(self._server)
        self.spoiled = await self.read(case_id, MAIN) != await self._truth.load(case_id, MAIN)
        return done


class HotByCase:
    """Each case's own hot store; its methods are those of `cases.ports.HotStore`."""

    def __init__(self) -> None:
        self.of: dict[str, StruckHot] = {}

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def call(first: str | CaseState, *rest: Any, **options: Any) -> Any:
            case_id = first if isinstance(first, str) else first.case_id
            return await getattr(self.of[case_id], method)(first, *rest, **options)

        return call
