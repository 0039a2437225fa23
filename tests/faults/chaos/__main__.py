"""`python -m tests.faults.chaos --seeds 10 --cases 1000`: many seeds, and a table of them.

It exits 1 where a case was lost or something happened twice. A seed that failed is played again
with `--first SEED --seeds 1` and the same numbers of cases and seconds.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from tests.faults.chaos.arena import arena
from tests.faults.chaos.plan import plan_of
from tests.faults.chaos.table import HEAD, line, seconds_for


async def _play(arguments: argparse.Namespace, home: Path) -> bool:
    """Play the seeds, each on what the one before left; whether all went well."""
    went_well = True
    sys.stdout.write(f"{HEAD}\n")
    async with arena(home) as place:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            seconds = arguments.seconds or seconds_for(arguments.cases)
            plan = plan_of(seed, arguments.cases, seconds)
            outcome = await place.play(plan)
            sys.stdout.write(f"{line(plan, outcome)}\n")
            sys.stdout.flush()
            for problem in outcome.problems():
                sys.stderr.write(f"seed {seed}: {problem}\n")
            went_well = went_well and not outcome.problems()
    return went_well


def main() -> int:
    """Read the arguments, and play."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, help="for how long faults happen")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # servers go away as planned
    with tempfile.TemporaryDirectory() as home:
        return 0 if asyncio.run(_play(arguments, Path(home))) else 1


if __name__ == "__main__":
    sys.exit(main())
