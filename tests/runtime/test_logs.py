"""What may be logged at which level."""

import logging
from collections.abc import Generator

import pytest

from runtime.logs import set_up_logs


@pytest.fixture(autouse=True)
def _as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    logging.getLogger("temporalio").setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("level", "ours", "sdk"),
    [
        ("DEBUG", logging.DEBUG, logging.INFO),
        ("INFO", logging.INFO, logging.INFO),
        ("WARNING", logging.WARNING, logging.WARNING),
    ],
)
def test_the_sdk_never_tells_payloads_whatever_level_is_set(
    level: str, ours: int, sdk: int
) -> None:
    set_up_logs(level)

    assert logging.getLogger("temporalio.worker._activity").getEffectiveLevel() == sdk
    assert logging.getLogger("stores.hot").getEffectiveLevel() == ours
