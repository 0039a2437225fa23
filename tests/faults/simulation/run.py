"""Plays many cases at a time, judges each, and says in a table how they ended.

`make simulation CASES=10000 SEED=1`; `make simulation CASES=1 SEED=1 FIRST=17` plays one again.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.faults.checked import check_invariants, problems_of
from tests.faults.simulation.judge import judge
from tests.faults.simulation.plan import PARKED, CasePlan, Extra, Place, Story, plan_of
from tests.faults.simulation.play import Play
from tests.faults.simulation.world import SimulatedWorld, simulated_world

#: More only waits for the processors.
_AT_A_TIME = 24
#: Longer than any case takes beside the others, on a busy machine.
_PATIENCE_S = 240.0


@dataclass
class Report:
    """How the cases of a run ended."""

    #: By story and status; a rival is a case of its own.
    ends: Counter[tuple[Story, str]] = field(default_factory=Counter[tuple[Story, str]])
    struck: Counter[Place] = field(default_factory=Counter[Place])
    extras: Counter[Extra] = field(default_factory=Counter[Extra])
    refunded_minor: int = 0
    waited: timedelta = timedelta(0)
    seconds: float = 0.0
    #: What was not right, with how to play it again.
    wrong: list[str] = field(default_factory=list[str])

    def lines(self) -> Iterable[str]:
        """The report as text, with its tables in Markdown."""
        yield "| story | status | cases |"
        yield "|---|---|---|"
        for (story, status), cases in sorted(self.ends.items()):
            yield f"| {story} | {status} | {cases:,} |"
        yield ""
        yield "| attempts that failed | |"
        yield "|---|---|"
        yield from (f"| {place} | {self.struck[place]:,} |" for place in Place)
        yield ""
        cases = self.ends.total()
        paid = f"{self.refunded_minor // 100:,}.{self.refunded_minor % 100:02}"
        yield f"{cases:,} cases waited {self.waited.days:,} days and got {paid} USD back."
        yield f"It took {self.seconds:.0f} s. Wrong: {len(self.wrong)}."
        yield from self.wrong


async def simulate(home: Path, seed: int, numbers: Iterable[int]) -> Report:
    """Play those cases of the seed on servers of their own, with their data under `home`."""
    report = Report()
    few = asyncio.Semaphore(_AT_A_TIME)
    async with simulated_world(home) as world:

        async def one(plan: CasePlan) -> None:
            async with few:
                await _play_and_judge(world, plan, report)

        began = time.monotonic()
        await asyncio.gather(*(one(plan_of(seed, number)) for number in numbers))
        # Some cases still wait for a person, as planned.
        stores, settings = world.session.stores, world.session.settings
        report.wrong += problems_of(await check_invariants(stores, settings, settled=False))
        report.seconds = time.monotonic() - began
        report.struck = world.faults.struck
    return report


async def _play_and_judge(world: SimulatedWorld, plan: CasePlan, report: Report) -> None:
    play = Play(world, plan)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            ends = await play.act()
            await judge(world.session.stores, plan, play)
    except Exception as error:  # noqa: BLE001  each is reported, with what plays it again
        again = f"make simulation CASES=1 SEED={plan.seed} FIRST={plan.number}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        report.wrong.append(f"{again}: {error!r} in {where.name}: {where.line}\n  {plan}")
        return
    report.ends.update((plan.story, status) for status in ends)
    report.extras.update(plan.extras)
    report.refunded_minor += plan.refunded_minor
    if plan.story in PARKED:
        report.waited += plan.waits


def main() -> None:
    """Simulate as the arguments say; fails if anything was wrong."""
    parser = argparse.ArgumentParser(description="Simulate support cases.")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # attempts fail as planned
    sys.stdout.write(f"Seed {given.seed}, cases {given.first} to {given.first + given.cases - 1}\n")
    numbers = range(given.first, given.first + given.cases)
    with tempfile.TemporaryDirectory() as home:
        report = asyncio.run(simulate(Path(home), given.seed, numbers))
    sys.stdout.write("\n".join(report.lines()) + "\n")
    sys.exit(bool(report.wrong))


if __name__ == "__main__":
    main()
