"""Times operations in turn, so that what slows the machine down slows all of them."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

#: The most runs of each operation that come first and are not counted: connections, plans, caches.
WARM_UP = 20

#: Carries out one operation, the n-th of all, and says how many seconds it took.
Operation = Callable[[int], Awaitable[float]]


@dataclass(frozen=True)
class Timings:
    """How long each run of one operation took, in seconds, by round."""

    rounds: tuple[tuple[float, ...], ...]

    @property
    def runs(self) -> int:
        return sum(len(times) for times in self.rounds)

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.medians()) * 1000

    @property
    def per_s(self) -> float:
        """How many a single client carries out in a second, one after another."""
        return statistics.median(len(times) / sum(times) for times in self.rounds)

    def medians(self) -> list[float]:
        return [statistics.median(times) for times in self.rounds]

    def ratio_to(self, other: "Timings") -> float:
        """The ratio of the medians, of the round in the middle."""
        pairs = zip(self.medians(), other.medians(), strict=True)
        return statistics.median(mine / its for mine, its in pairs)


async def timed(work: Awaitable[object]) -> float:
    """The seconds until it is done."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def take_turns(
    operations: Mapping[str, Operation], *, rounds: int, ops: int
) -> dict[str, Timings]:
    """Run every operation `ops` times a round: A B C, B C A, C A B, ..., after a warm-up."""
    names = list(operations)
    warm_up = min(WARM_UP, ops)
    kept: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    number = 0
    for round_number in range(rounds + 1):
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(ops if round_number else warm_up):
            number += 1
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                times[name].append(await operations[name](number))
        if round_number:
            for name in names:
                kept[name].append(tuple(times[name]))
    return {name: Timings(tuple(found)) for name, found in kept.items()}
