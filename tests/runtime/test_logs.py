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
    ("level", "sdk"), [("DEBUG", "INFO"), ("INFO", "INFO"), ("WARNING", "WARNING")]
)
def test_the_sdk_never_tells_payloads_whatever_level_is_set(level: str, sdk: str) -> None:
    set_up_logs(level)

    worker = logging.getLogger("temporalio.worker._activity")
    assert worker.getEffectiveLevel() == logging.getLevelName(sdk)
    ours = logging.getLogger("stores.hot")
    assert ours.getEffectiveLevel() == logging.getLevelName(level)
