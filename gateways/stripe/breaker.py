"""A circuit breaker: after a refused API key nothing is sent for a while."""

import time
from collections.abc import Callable
from datetime import timedelta


class Breaker:
    """Closed until it is opened, and closed again after a pause."""

    def __init__(
        self,
        pause: timedelta = timedelta(seconds=60),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pause = pause
        self._clock = clock
        self._until: float | None = None

    @property
    def is_open(self) -> bool:
        return self._until is not None and self._clock() < self._until

    def open(self) -> bool:
        """Let nothing through for the pause; whether it was closed until now."""
        was_closed = not self.is_open
        self._until = self._clock() + self.pause.total_seconds()
        return was_closed
