"""Servers that the tests of this folder share, and may do to what they like."""

import os
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.faults.servers.own import OwnServers, own_servers

LONG = os.environ.get("FAULTS") == "long"
#: For tests that CI has no time for.
takes_long = pytest.mark.skipif(not LONG, reason="it takes long: `make faults-long` runs it")


def some_of(names: Iterable[str], *in_ci: str) -> list[ParameterSet]:
    """All of them as parameters; CI has time for some."""
    return [pytest.param(name, marks=() if name in in_ci else takes_long) for name in names]


@pytest.fixture(scope="package")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[OwnServers]:
    async with own_servers(tmp_path_factory.mktemp("own")) as servers:
        yield servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
