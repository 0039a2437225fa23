"""The registry of kill points: a pair around each commit and each side effect, found in the code.

Nothing of it is in production code: the points lie in the seams that everything passes. A worker of
these tests is given a Postgres pool, a Redis client, gateways and a Temporal client that are
watched (`watching.py`); everybody else has the bare ones. The names are read from the code, so that
a new query that writes, Lua script or effect of a gateway has its pair without a word here.
"""

import inspect
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple, get_type_hints

from cases.effects import Outcome
from cases.model_ports import LanguageModel, ModelReply
from cases.ports import Accounts, Mail, Payments
from stores.queries import queries

BEFORE, AFTER = "before", "after"

#: What changes something in Redis besides the Lua scripts, as commands.
REDIS_WRITES = ("DEL", "SET")
#: What changes something in Temporal, as the methods of the SDK's client interceptor.
TEMPORAL_WRITES = ("start_workflow", "signal_workflow", "cancel_workflow", "terminate_workflow")

_FUNCTION = re.compile(r"^CREATE OR REPLACE FUNCTION (\w+)\((.*?)\$\$", re.MULTILINE | re.DOTALL)
_STEADY = re.compile(r"\b(STABLE|IMMUTABLE)\b")
_WRITING = re.compile(r"\b(INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")
_PORTS = {"payments": Payments, "accounts": Accounts, "mail": Mail, "model": LanguageModel}


class Point(NamedTuple):
    """A moment at which a worker can be killed."""

    where: str
    when: str

    def __str__(self) -> str:
        return f"{self.when}-{self.where}"


def volatile_functions() -> frozenset[str]:
    """Our SQL functions that are not promised to change nothing."""
    texts = [file.read_text("utf-8") for file in files("stores").joinpath("functions").iterdir()]
    found = (match.groups() for text in texts for match in _FUNCTION.finditer(text))
    return frozenset(name for name, head in found if not _STEADY.search(head))


def commits() -> Iterator[str]:
    """The named queries that write: each is one statement, and so one transaction."""
    volatile = volatile_functions()
    for name, text in queries().items():
        sql = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
        if _WRITING.search(sql) or volatile & set(re.findall(r"\b(\w+)\(", sql)):
            yield f"postgres.{name}"


def effects() -> Iterator[str]:
    """What the ports do outside, by what it answers: an outcome, or a model's reply."""
    for port, protocol in _PORTS.items():
        for name, method in vars(protocol).items():
            if inspect.iscoroutinefunction(method):
                answer = get_type_hints(method)["return"]
                if isinstance(answer, type) and issubclass(answer, Outcome | ModelReply):
                    yield f"{port}.{name}"


def scripts() -> Iterator[str]:
    """The Lua scripts by name."""
    for file in files("stores").joinpath("lua").iterdir():
        yield file.name.removesuffix(".lua")


def places() -> list[str]:
    """Everything that has its pair of points."""
    redis = [f"redis.{name}" for name in (*scripts(), *REDIS_WRITES)]
    temporal = [f"temporal.{name}" for name in TEMPORAL_WRITES]
    return sorted([*commits(), *effects(), *redis, *temporal])


PLACES = places()
POINTS = [Point(place, when) for place in PLACES for when in (BEFORE, AFTER)]
