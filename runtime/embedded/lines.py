"""Lines from a pipe, with a time limit: what the guard and its parent say to each other."""

import os
import select
import time


class Lines:
    """Whole lines from a file descriptor; unlike a text file it never blocks longer than told."""

    def __init__(self, descriptor: int) -> None:
        """Read from ``descriptor``, which stays the caller's to close."""
        self._descriptor = descriptor
        self._buffer = b""
        self.ended = False

    def read(self, patience: float) -> str | None:
        """Return the next line, or None after ``patience`` seconds or when the pipe has ended."""
        deadline = time.monotonic() + patience
        while b"\n" not in self._buffer and not self.ended:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._descriptor], [], [], left)[0]:
                return None
            received = os.read(self._descriptor, 65_536)
            self._buffer += received
            self.ended = not received
        line, newline, self._buffer = self._buffer.partition(b"\n")
        return line.decode() if newline else None
