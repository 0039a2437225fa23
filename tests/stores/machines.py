"""What the state machines are made of: steps, accidents, and the real stores on their own loop."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum, auto
from typing import Any, TypeVar, cast

from hypothesis import Phase, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from cases.errors import CaseError
from cases.ids import MAIN
from cases.sections import Section
from cases.state import CaseState, CaseStatus, Message, StepUpdate
from runtime.servers import Servers
from stores.audit import PostgresAudit
from stores.cases import PostgresCases
from stores.hot import RedisHotStore
from stores.postgres import open_pool
from stores.redis import case_key, connect_redis
from tests.samples import NOON
from tests.stores.support import HARD_VALUES, OtherProbeSection, ProbeSection, step

T = TypeVar("T")
Command = Callable[[], Coroutine[Any, Any, Any]]


#: One failure at a time, as small as it gets; explaining it by other runs takes too long here.
MACHINE = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
)
#: Hypothesis takes up to 5 minutes to shrink a failure.
SHRUNK_S = 600


class Fate(Enum):
    """What becomes of commands to the hot store."""

    ARRIVE = auto()
    LOST = auto()
    HELD_BACK = auto()


def _draft(
    kind: type[ProbeSection | OtherProbeSection] | None, content: Any, said: int, **fields: Any
) -> StepUpdate:
    """A step that has no name of its own yet: see `named`."""
    messages = [Message(message_id=str(n), text="💸", received_at=NOON) for n in range(said)]
    sections: list[Section] = [kind(content=content)] if kind else []
    return step("draft", *sections, messages=tuple(messages), **fields)


def named(draft: StepUpdate, number: int) -> StepUpdate:
    """The step and its messages under names that no other number gives."""
    messages = tuple(
        Message(
            message_id=f"{number}.{message.message_id}",
            text=f"{message.text} {number}.{message.message_id}",
            received_at=NOON + timedelta(minutes=number),
        )
        for message in draft.messages
    )
    return draft.model_copy(update={"step": f"step:{number}", "messages": messages})


#: A step of either owner. Two with 30 messages make the oldest ones go; few steps close the case.
DRAFTS = st.builds(
    _draft,
    kind=st.sampled_from([ProbeSection, OtherProbeSection, None]),
    content=st.sampled_from([*range(3), *HARD_VALUES.values()]),
    said=st.sampled_from([0, 0, 1, 2, 30, 30]),
    retries=st.dictionaries(st.sampled_from(["model", "mail"]), st.integers(1, 3), max_size=2),
    status=st.sampled_from(
        [*[None] * 30, CaseStatus.INVESTIGATING, CaseStatus.SETTLING, CaseStatus.ANSWERED]
    ),
    error=st.sampled_from([None, None, "it broke 💥"]),
)
#: How many versions old the state is that a step is made from.
LAGS = st.sampled_from([0, 0, 0, 1, 2, 5])
FATES = st.sampled_from(Fate)
#: Taken modulo the length of a list, so that no draw depends on who won a race.
PLACES = st.integers(0, 30)
ACCIDENTS = st.sampled_from(["deleted", "expired", "emptied", "scripts gone", "a string", "a list"])


class WaywardHotStore(RedisHotStore):
    """Loses commands, or holds them back so that they come late and out of order."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.fate = Fate.ARRIVE
        self.held: list[Command] = []

    async def write(
        self, state: CaseState, *, ttl_s: int | None = None, fence: int | None = None
    ) -> bool:
        command = super().write
        return bool(await self._meet(lambda: command(state, ttl_s=ttl_s, fence=fence)))

    async def merge(
        self,
        case_id: str,
        branch: str,
        updates: Sequence[tuple[StepUpdate, int]],
        *,
        fence: int | None = None,
    ) -> bool:
        command = super().merge
        return bool(await self._meet(lambda: command(case_id, branch, updates, fence=fence)))

    async def drop(self, case_id: str, branch: str) -> None:
        command = super().drop
        await self._meet(lambda: command(case_id, branch))

    async def _meet(self, command: Command) -> Any:
        if self.fate is Fate.HELD_BACK:
            self.held.append(command)
        return await command() if self.fate is Fate.ARRIVE else None


class World:
    """Postgres as the session has it, and a Redis that may be emptied."""

    def __init__(self, servers: Servers, redis_url: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._pool = self.run(open_pool(servers.database_url, size=4))
        self.redis = connect_redis(redis_url)
        self.cases = PostgresCases(self._pool)
        self.audit = PostgresAudit(self._pool)
        self._runs = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def next_case(self) -> str:
        self._runs += 1
        return f"case_machine_{self._runs}"

    async def all_of(self, *works: Coroutine[Any, Any, T]) -> list[T | BaseException]:
        return await asyncio.gather(*works, return_exceptions=True)

    async def befall(self, case_id: str, what: str) -> None:
        """Do to a case's hot copy what no writer of ours does."""
        key = case_key(case_id, MAIN)
        redis: Any = self.redis
        match what:
            case "deleted":
                await redis.delete(key)
            case "expired":
                await self.expire(key)
            case "emptied":
                await redis.flushall()
            case "scripts gone":
                await redis.script_flush()
            case "a string":
                await redis.set(key, "something else")
            case _:
                await redis.delete(key)
                await redis.rpush(key, "something", "else")

    async def expire(self, key: str) -> None:
        redis: Any = self.redis
        if await redis.pexpire(key, 1):
            while await redis.exists(key):  # noqa: ASYNC110  it is the server's clock
                await asyncio.sleep(0.001)

    async def stored(self, case_id: str) -> bytes | None:
        """The hot copy as Redis would save it."""
        redis: Any = self.redis
        return cast("bytes | None", await redis.dump(case_key(case_id, MAIN)))

    async def expires(self, case_id: str) -> bool:
        """Whether the hot copy has a time to live, if there is one."""
        redis: Any = self.redis
        key = case_key(case_id, MAIN)
        return bool(await redis.type(key) != b"hash" or await redis.pttl(key) != -1)

    def close(self) -> None:
        self.run(self._pool.close())
        self.run(self.redis.aclose())
        self._runner.close()


def answer(call: Callable[[], T]) -> T | CaseError:
    """What the call returns, or the error that it raises in case words."""
    try:
        return call()
    except CaseError as error:
        return error


@contextmanager
def opened_world(servers: Servers, redis_url: str) -> Generator[World]:
    world = World(servers, redis_url)
    try:
        yield world
    finally:
        world.close()
