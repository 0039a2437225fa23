"""What happens in a run of chaos, drawn from its seed: the same seed is the same plan."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateways.sandbox.script import Word

#: Between two faults, in seconds.
_APART_S = (1.5, 4.0)
#: For how long a server is frozen, in seconds.
_FROZEN_S = (0.5, 3.0)
#: Of five cases one is above the limit, so that a person must approve it.
_AMOUNTS_MINOR = (4999, 4999, 4999, 4999, 120_000)
#: What a call for a refund may come to. Not `500`: a provider that repeats it needs a person.
_PAYMENT_FAULTS = (Word.DROP, Word.HANG, Word.HANG_BEFORE, Word.ERROR_503, Word.TOO_MANY)


class Kind(StrEnum):
    """What befalls a process or a server."""

    WORKER_KILLED = "worker killed"
    TEMPORAL_KILLED = "Temporal killed"
    POSTGRES_KILLED = "Postgres killed"
    VALKEY_KILLED = "Valkey killed"
    POSTGRES_FROZEN = "Postgres frozen"
    VALKEY_FLUSHED = "Valkey flushed"


@dataclass(frozen=True)
class Fault:
    """So many seconds after the beginning, and for how many."""

    at_s: float
    kind: Kind
    lasts_s: float


@dataclass(frozen=True)
class PlannedCase:
    """A customer who was charged twice, and what comes of the calls for the refund."""

    name: str
    at_s: float
    amount_minor: int
    script: tuple[Word, ...]

    @property
    def case_id(self) -> str:
        return f"case_{self.name}"

    @property
    def customer_id(self) -> str:
        return f"cus_{self.name}"


@dataclass(frozen=True)
class Plan:
    """All of one run."""

    seed: int
    cases: Sequence[PlannedCase]
    faults: Sequence[Fault]


def plan_of(seed: int, cases: int, seconds: float) -> Plan:
    """Faults for so many seconds; the cases begin in the first two thirds of them."""
    chance = random.Random(seed)  # noqa: S311  it is to be repeated
    return Plan(
        seed,
        [_case(chance, f"{seed}-{place}", seconds * 2 / 3) for place in range(cases)],
        _faults(chance, seconds),
    )


def _case(chance: random.Random, name: str, within_s: float) -> PlannedCase:
    faulty = chance.choice((0, 0, 1, 2))
    return PlannedCase(
        name,
        at_s=chance.uniform(0, within_s),
        amount_minor=chance.choice(_AMOUNTS_MINOR),
        script=tuple(chance.choices(_PAYMENT_FAULTS, k=faulty)),
    )


def _faults(chance: random.Random, seconds: float) -> list[Fault]:
    """Each kind once before any comes again, so that no run leaves one out."""
    found: list[Fault] = []
    kinds: list[Kind] = []
    at_s = chance.uniform(*_APART_S)
    while at_s < seconds:
        if not kinds:
            kinds = chance.sample(list(Kind), len(Kind))
        found.append(Fault(at_s, kinds.pop(), chance.uniform(*_FROZEN_S)))
        at_s += chance.uniform(*_APART_S)
    return found
