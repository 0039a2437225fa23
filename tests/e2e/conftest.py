"""Marks what is here as slow, and shares one `casekeeper up` per module."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.shell import Shell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is end to end."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder of this module's own."""
    return Shell(tmp_path_factory.mktemp("shell"))


@pytest.fixture(scope="module")
def up(shell: Shell) -> Generator[Shell]:
    """The module's shell while `casekeeper up` runs in another process."""
    with shell.up():
        yield shell
