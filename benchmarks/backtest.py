"""What a backtest costs per case beside running the case: `python -m benchmarks.backtest`.

It starts servers of its own in a temporary home, runs real cases through a worker, puts cases of
the past on record, and judges those again. CPU time is that of all processes: ours and the servers.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.options import count
from benchmarks.past_cases import put_on_record, stories
from cases.policy import RefundPolicy
from gateways.sandbox.world import World, load
from runtime.embedded.stack import EmbeddedStack
from runtime.servers import Servers, of_stack
from runtime.settings import Settings
from starters.backtest import run_backtest
from starters.embedded import worker_beside
from starters.session import Session, open_session
from starters.start import NewCase, start_case
from stores.approvers import PostgresApprovers
from stores.backtest import PostgresPastCases
from stores.postgres import Pool
from workers.composition import customer_keys, open_postgres
from workers.preparation import prepare
from workflows.case_file import SEARCH_ATTRIBUTES

#: Of one case that is run; tests/workflows/test_budgets.py holds it to that.
TRANSACTIONS_OF_A_RUN = 14
#: Another policy than the one that decided.
POLICY = RefundPolicy(version=2, limit_days=30, limits={"USD": 60_000, "EUR": 12_000})
_TEXT = "I was charged twice, and I still can't log in."
_CASES_EACH = 4
_AT_ONCE = 8
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Costs:
    """What was measured; CPU in milliseconds per case."""

    cases: int
    statements: int
    seconds: float
    cpu_ms: float
    cases_run: int
    run_cpu_ms: float

    @property
    def statements_per_case(self) -> float:
        return self.statements / self.cases

    def as_table(self) -> str:
        """A Markdown table with the fractions."""
        transactions = self.statements_per_case / TRANSACTIONS_OF_A_RUN
        rows = [
            ("", "judging a case again", "running a case", "fraction"),
            ("---", "---", "---", "---"),
            (
                "Postgres transactions",
                f"{self.statements_per_case:.3f}",
                str(TRANSACTIONS_OF_A_RUN),
                _fraction(transactions),
            ),
            (
                "CPU ms, all processes",
                f"{self.cpu_ms:.2f}",
                f"{self.run_cpu_ms:.1f}",
                _fraction(self.cpu_ms / self.run_cpu_ms),
            ),
        ]
        return "\n".join(
            [
                *(f"| {' | '.join(cells)} |" for cells in rows),
                "",
                f"{self.cases:,} cases judged in {self.seconds:.2f} s; {self.cases_run} run.",
            ]
        )


def _fraction(part: float) -> str:
    return f"1/{1 / part:,.0f}"


async def measure(servers: Servers, settings: Settings, options: argparse.Namespace) -> Costs:
    """Run cases, then judge cases of the past; on servers that are prepared and do nothing else."""
    async with open_session(servers) as session:
        run_cpu_ms = await _run_cases(session, settings, options.run)
        await _past(session, servers, options.cases)
    async with open_postgres(servers.database_url, size=2) as pool:
        return await _judge(pool, servers, options, run_cpu_ms)


async def _run_cases(session: Session, settings: Settings, cases: int) -> float:
    """CPU ms per case, from its start to its answer, a few at a time."""
    print(f"running {cases} cases ...", file=sys.stderr)
    await load(session.stores.sandbox, _world(cases + 1))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with turns:
            case = NewCase.check(
                f"cus_bench_bench_run_{number}", _TEXT, f"bench_bench_run_{number}"
            )
            await start_case(session, case)
            await session.handle(case.case_id).result()

    async with worker_beside(session.servers, settings):
        await one(cases)  # loads what is loaded once
        before = cpu_s()
        await asyncio.gather(*map(one, range(cases)))
        return (cpu_s() - before) * 1000 / cases


def _world(customers: int) -> World:
    first = datetime.now(UTC) - timedelta(hours=6)
    return World.model_validate(
        {
            "customers": [
                {
                    "id": f"cus_bench_bench_run_{n}",
                    "email": f"{n}@example.com",
                    "name": "Sam",
                    "locked": False,
                }
                for n in range(customers)
            ],
            "charges": [
                {
                    "id": f"ch_bench_run_{n}_{twin}",
                    "customer_id": f"cus_bench_bench_run_{n}",
                    "amount_minor": 4999,
                    "currency": "USD",
                    "merchant": "Northwind Music",
                    "description": "Family plan",
                    "created_at": (first + timedelta(minutes=twin)).isoformat(),
                    "status": "captured",
                }
                for n in range(customers)
                for twin in range(2)
            ],
        }
    )


async def _past(session: Session, servers: Servers, cases: int) -> None:
    print(f"putting {cases} cases on record ...", file=sys.stderr)
    async with open_postgres(servers.owner_database_url) as owner:
        limits = dict.fromkeys(["USD", "EUR", "JPY"], 10**9)
        token = await PostgresApprovers(owner).add("benchmark", limits)
    told = stories(-(-cases // _CASES_EACH), _CASES_EACH, name="bench_past")
    await put_on_record(list(told)[:cases], session.stores, token or "")


async def _judge(
    pool: Pool, servers: Servers, options: argparse.Namespace, run_cpu_ms: float
) -> Costs:
    print("judging them again ...", file=sys.stderr)
    counting = CountingPool(pool)
    times: list[tuple[float, float]] = []
    counted = cast("Pool", counting)
    past = PostgresPastCases(counted, customer_keys(counted, servers))
    report = await run_backtest(past, POLICY)  # connections, plans, caches
    for _ in range(options.rounds):
        counting.statements = 0
        before = time.perf_counter(), cpu_s()
        report = await run_backtest(past, POLICY)
        times.append((time.perf_counter() - before[0], cpu_s() - before[1]))
    return Costs(
        cases=report.cases,
        statements=counting.statements,
        seconds=statistics.median(seconds for seconds, _ in times),
        # A clock tick is 10 ms: the mean of all rounds, and not one of them.
        cpu_ms=statistics.mean(cpu for _, cpu in times) * 1000 / report.cases,
        cases_run=options.run,
        run_cpu_ms=run_cpu_ms,
    )


class CountingPool:
    """Counts the statements: each takes a connection and gives it back."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements = 0

    def acquire(self, **options: Any) -> Any:
        self.statements += 1
        return self._pool.acquire(**options)


def cpu_s() -> float:
    """The CPU seconds that this process and all below it have used so far."""
    return sum(_ticks_below(os.getpid())) / _TICKS


def _ticks_below(root: int) -> Iterator[int]:
    """The ticks of each process, with those of its children that have ended."""
    found: dict[int, tuple[int, int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            found[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    for pid, (_, ticks) in found.items():
        above = pid
        while above in found and above != root:
            above = found[above][0]
        if above == root:
            yield ticks


async def _prepared(servers: Servers, settings: Settings, options: argparse.Namespace) -> Costs:
    await prepare(servers, schedules=False)
    return await measure(servers, settings, options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on servers that live as long as this command, and print the table."""
    options = _options(arguments)
    with TemporaryDirectory(prefix="casekeeper-bench-") as folder:
        settings = Settings(home=Path(folder))
        with EmbeddedStack.start(
            settings.home, search_attributes=SEARCH_ATTRIBUTES, temporal_in_memory=True
        ) as stack:
            servers = of_stack(settings, stack.addresses)
            costs = asyncio.run(_prepared(servers, settings, options))
    print(json.dumps(asdict(costs), indent=2) if options.json else costs.as_table())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.backtest", description=__doc__)
    parser.add_argument("--cases", type=count, default=5000, help="how many are judged again")
    parser.add_argument("--run", type=count, default=100, help="how many are run")
    parser.add_argument("--rounds", type=count, default=5, help="how often they are judged")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
