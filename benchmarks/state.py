"""What the state layer costs beside the bare servers: `python -m benchmarks.state`.

It starts servers of its own in a temporary home, and runs each operation in turn with the bare one
on the same connection: what a ratio compares was measured in the same seconds.
"""

import argparse
import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from redis.asyncio import Redis

from benchmarks import bare
from benchmarks.options import count
from benchmarks.report import COMMIT, LOAD, MERGE, Row, as_json, as_table
from benchmarks.samples import BIG, SMALL, rewritten, sections_of, stored, stored_size
from benchmarks.timing import Operation, Timings, take_turns, timed
from cases.ids import MAIN
from cases.sections import Section
from cases.state import CaseState, Message, StepUpdate
from runtime.embedded.stack import EmbeddedStack
from runtime.servers import Servers, of_stack
from runtime.settings import Settings
from stores.cases import PostgresCases
from stores.hot import RedisHotStore
from stores.postgres import Pool
from stores.redis import connect_redis
from workers.composition import open_postgres
from workers.preparation import prepare
from workflows.case_file import SEARCH_ATTRIBUTES

#: Bytes of the states that are measured.
SIZES = (1_000, 50_000, 500_000)

_BODIES = "SELECT body FROM sections WHERE case_id = $1 AND branch = $2 AND version <= $3"
_OURS, _BARE, _TRANSACTION = "ours", "bare", "transaction"

Turns = dict[str, Operation]


@dataclass(frozen=True)
class Bench:
    """The stores under measurement, each on one connection, and how often to run what."""

    pool: Pool
    redis: Redis
    #: What the ids of this run's cases begin with.
    run: str
    rounds: int
    ops: int

    @property
    def cases(self) -> PostgresCases:
        return PostgresCases(self.pool)

    @property
    def hot(self) -> RedisHotStore:
        return RedisHotStore(self.redis)

    async def open_case(self, name: str, size: int) -> CaseState:
        """A new case with a state of that size on record."""
        case_id = f"{self.run}_{name}_{size}"
        request = Message(message_id="request", text="Twice!", received_at=datetime.now(UTC))
        await self.cases.open(case_id, MAIN, "cus_bench", request)
        for section in sections_of(size).values():
            await self.cases.commit(case_id, MAIN, [_step(section, 0)], {section.name: 0})
        return await self.cases.load(case_id, MAIN)


#: Makes the operations that take turns on one case: ours and the bare ones, by those names.
TurnsOf = Callable[[Bench, CaseState, str], Awaitable[Turns]]


async def measure(servers: Servers, *, run: str, rounds: int, ops: int) -> list[Row]:
    """All rows of the table, on servers that are prepared; `run` names the cases that it leaves."""
    async with _bench(servers, run, rounds, ops) as bench:
        rows: list[Row] = []
        for section in (SMALL, BIG):
            rows += await _rows(bench, MERGE, section, _merges)
        for section in (SMALL, BIG):
            rows += await _rows(bench, COMMIT, section, _commits)
        return rows + await _rows(bench, LOAD, None, _loads)


@asynccontextmanager
async def _bench(servers: Servers, run: str, rounds: int, ops: int) -> AsyncGenerator[Bench]:
    redis = connect_redis(servers.redis_url)
    try:
        async with (
            open_postgres(servers.owner_database_url, size=1) as owner,
            open_postgres(servers.database_url, size=1) as pool,
            bare.bare_tables(owner),
        ):
            gc.collect()
            gc.freeze()  # as a worker does at its start
            yield Bench(pool, redis, run, rounds, ops)
    finally:
        await redis.aclose()


async def _rows(bench: Bench, operation: str, section: str | None, turns_of: TurnsOf) -> list[Row]:
    """The operation at every size: all sizes take turns, as they are compared too."""
    print(f"{operation}, {section or 'whole state'} ...", file=sys.stderr)
    name = f"{operation.replace(' ', '_')}_{section}"
    states = [await bench.open_case(name, size) for size in SIZES]
    turns: Turns = {}
    for state in states:
        found = await turns_of(bench, state, section or "")
        turns |= {f"{state.case_id} {which}": one for which, one in found.items()}
    timings = await take_turns(turns, rounds=bench.rounds, ops=bench.ops)
    await bench.redis.delete(*(_bare_key(state) for state in states))
    smallest = timings[f"{states[0].case_id} {_OURS}"]
    return [_row(operation, section, state, timings, smallest) for state in states]


def _row(
    operation: str,
    section: str | None,
    state: CaseState,
    timings: dict[str, Timings],
    smallest: Timings,
) -> Row:
    ours, base = (timings[f"{state.case_id} {which}"] for which in (_OURS, _BARE))
    transaction = timings.get(f"{state.case_id} {_TRANSACTION}")
    total = sum(stored_size(one) for one in state.sections.values())
    return Row(
        operation=operation,
        section=section,
        moved_bytes=stored_size(state.sections[section]) if section else total,
        state_bytes=total,
        runs=ours.runs,
        p50_ms=round(ours.p50_ms, 4),
        per_s=round(ours.per_s, 1),
        bare_p50_ms=round(base.p50_ms, 4),
        to_bare=round(ours.ratio_to(base), 3),
        to_smallest=round(ours.ratio_to(smallest), 3),
        transaction_to_bare=round(transaction.ratio_to(base), 3) if transaction else None,
    )


async def _merges(bench: Bench, state: CaseState, name: str) -> Turns:
    """A step with one section onto the hot copy, and an HSET of the same bytes to another key."""
    section = state.sections[name]
    hot = bench.hot
    await hot.write(state)

    async def ours(number: int) -> float:
        update = (_step(section, number), state.version + number)
        return await timed(_taken(hot.merge(state.case_id, MAIN, [update])))

    async def bare_one(number: int) -> float:
        body = stored(rewritten(section, number))
        return await timed(bench.redis.hset(_bare_key(state), name, cast("Any", body)))

    return {_OURS: ours, _BARE: bare_one}


def _bare_key(state: CaseState) -> str:
    return f"bare:{state.case_id}"


async def _taken(merge: Awaitable[bool]) -> None:
    # The hot store answers its failures with False, and a failure is fast.
    if not await merge:
        raise RuntimeError("the hot store did not take a step")


async def _commits(bench: Bench, state: CaseState, name: str) -> Turns:
    """A step with one section onto the record, and its statements on the bare tables."""
    section = state.sections[name]
    ids = {_BARE: state.case_id, _TRANSACTION: f"{state.case_id}_transaction"}

    async def ours(number: int) -> float:
        last = state.version + number - 1 if number > 1 else state.section_versions[name]
        commit = bench.cases.commit(state.case_id, MAIN, [_step(section, number)], {name: last})
        return await timed(commit)

    def bare_one(which: str, commit: Callable[..., Awaitable[None]]) -> Operation:
        async def run(number: int) -> float:
            body = stored(rewritten(section, number))
            async with bench.pool.acquire() as connection:
                return await timed(commit(connection, ids[which], number, body))

        return run

    async with bench.pool.acquire() as connection:
        for case_id in ids.values():
            await bare.open_bare_case(cast("Any", connection), case_id)
    return {
        _OURS: ours,
        _BARE: bare_one(_BARE, bare.commit_at_once),
        _TRANSACTION: bare_one(_TRANSACTION, bare.commit_one_by_one),
    }


async def _loads(bench: Bench, state: CaseState, _: str) -> Turns:
    """A past version, decoded and validated, and a SELECT of the same bodies."""
    for section in state.sections.values():  # what a load of the past must leave out
        expected = state.expected(section.name)
        await bench.cases.commit(state.case_id, MAIN, [_step(section, 1)], expected)

    async def ours(_: int) -> float:
        return await timed(bench.cases.load(state.case_id, MAIN, at=state.version))

    async def bare_one(_: int) -> float:
        async with bench.pool.acquire() as connection:
            return await timed(connection.fetch(_BODIES, state.case_id, MAIN, state.version))

    return {_OURS: ours, _BARE: bare_one}


def _step(section: Section, number: int) -> StepUpdate:
    """The step of that number: it writes the section with a content of its own."""
    return StepUpdate(
        step=f"{section.name}:{number}",
        owner=section.owner,
        sections={section.name: rewritten(section, number)},
        reason="benchmark",
    )


async def _prepared(servers: Servers, options: argparse.Namespace) -> list[Row]:
    await prepare(servers)
    return await measure(servers, run="bench", rounds=options.rounds, ops=options.ops)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on servers that live as long as this command, and print the table."""
    options = _options(arguments)
    with TemporaryDirectory(prefix="casekeeper-bench-") as folder:
        home = Path(folder)
        with EmbeddedStack.start(
            home, search_attributes=SEARCH_ATTRIBUTES, temporal_in_memory=True
        ) as stack:
            servers = of_stack(Settings(home=home), stack.addresses)
            rows = asyncio.run(_prepared(servers, options))
    print(as_json(rows) if options.json else as_table(rows))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.state", description=__doc__)
    parser.add_argument("--rounds", type=count, default=3, help="how often; medians are taken")
    parser.add_argument("--ops", type=count, default=200, help="runs of each operation a round")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
